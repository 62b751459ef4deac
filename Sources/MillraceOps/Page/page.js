// Shows what status.json says, once a second. What comes from the worker (names, reasons, records)
// becomes text nodes only, never markup.
"use strict";

const everyMs = 1000;
// No answer so often in a row: the worker is gone, and asking on would be of no use.
const triesMost = 5;
// Two minutes of lines.
const pointsMost = 120;

const byId = (id) => document.getElementById(id);
const write = (id, text) => {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
};
const make = (name, text) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return element;
};

// Words for numbers

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const count = (n) => (n === undefined ? "–" : whole.format(n));
const compact = (n) => (n === undefined ? "–" : n < 100000 ? whole.format(n) : short.format(n));
const rate = (n) => (n === undefined ? "–" : n > 0 && n < 10 ? tenths.format(n) : compact(n));

// Value and unit of a time in microseconds.
const time = (us) => {
  if (us === undefined) return ["–", "ms"];
  if (us < 1000) return [whole.format(us), "µs"];
  if (us < 1e6) return [us < 1e4 ? tenths.format(us / 1e3) : whole.format(us / 1e3), "ms"];
  return [us < 1e8 ? tenths.format(us / 1e6) : whole.format(us / 1e6), "s"];
};
const bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${at === 0 || n >= 100 ? whole.format(n) : tenths.format(n)} ${units[at]}`;
};
const age = (ms) => {
  const s = Math.floor(ms / 1000);
  if (s < 1) return "now";
  if (s < 120) return `${s} s ago`;
  return s < 7200 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`;
};

// Lines and bars

const svgShape = (name, attributes) => {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  return shape;
};

const lines = new Map();

// Adds a value to a line, which begins at the right; undefined values are left out.
const extend = (id, value) => {
  if (!lines.has(id)) lines.set(id, []);
  const values = lines.get(id);
  if (value !== undefined) values.push(value);
  if (values.length > pointsMost) values.shift();
  const svg = byId(id);
  const top = Math.max(...values) || 1;
  const first = pointsMost - values.length;
  const points = values.map((v, i) => `${first + i},${(29 - (27 * v) / top).toFixed(1)}`);
  svg.setAttribute("viewBox", `0 0 ${pointsMost - 1} 30`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (points.length < 2) return svg.replaceChildren();
  const area = [`${first},30`, ...points, `${pointsMost - 1},30`].join(" ");
  svg.replaceChildren(
    svgShape("polygon", { points: area }), svgShape("polyline", { points: points.join(" ") }));
};

const drawBars = (counts) => {
  const svg = byId("sizes");
  const top = Math.max(...counts) || 1;
  svg.setAttribute("viewBox", `0 0 ${counts.length * 10} 60`);
  svg.setAttribute("preserveAspectRatio", "none");
  // What is there at all is seen.
  const height = (n) => (n === 0 ? 0.6 : Math.max(2, (60 * n) / top));
  svg.replaceChildren(...counts.map((n, i) => svgShape("rect", {
    x: i * 10 + 1, width: 8, y: 60 - height(n), height: height(n) })));
};

// Tables and lists

const fillTable = (id, rows) => {
  byId(id).replaceChildren(...rows.map((cells) => {
    const row = make("tr");
    cells.forEach((cell, at) => {
      const element = make(at === 0 ? "th" : "td", cell);
      if (at === 0) element.scope = "row";
      row.append(element);
    });
    return row;
  }));
};

const fillList = (id, pairs) => {
  byId(id).replaceChildren(
    ...pairs.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
};

// One answer of the worker

let before;
// The answers of the last ten seconds, for what a second says too little about.
let recent = [];

const perSecond = (now, then, pick) => {
  if (then === undefined || now.clockMs <= then.clockMs) return undefined;
  return ((pick(now) - pick(then)) * 1000) / (now.clockMs - then.clockMs);
};

const showTiles = (now) => {
  const records = now.records;
  const out = (status) => status.records.scored + status.records.passed;
  const rates = {
    in: perSecond(now, before, (s) => s.records.incoming),
    out: perSecond(now, before, out),
    dead: perSecond(now, before, (s) => s.records.dead),
  };
  for (const [id, value] of Object.entries(rates)) {
    write(id, rate(value));
    extend(`${id}-line`, value);
  }
  write("in-more", `${compact(records.incoming)} in all, ${bytes(records.bytesIn)}`);
  const passed = records.passed > 0 ? `, ${compact(records.passed)} unscored` : "";
  write("out-more", `${compact(out(now))} in all${passed}`);
  write("dead-more", `${compact(records.dead)} in all`);

  write("lag", compact(now.partitions.lag));
  extend("lag-line", now.partitions.lag);
  const ends = now.partitions.assigned === 1 ? "partition" : "partitions";
  write("lag-more", now.partitions.lag === undefined
    ? "not known yet" : `in ${count(now.partitions.assigned)} ${ends}`);

  const endToEnd = now.latency[0];
  const [value, unit] = time(endToEnd.p99Us);
  write("latency", value);
  write("latency-unit", unit);
  extend("latency-line", endToEnd.count === 0 ? undefined : endToEnd.p99Us);
  write("latency-more", `p50 ${time(endToEnd.p50Us).join(" ")}, end to end`);
};

const showBatches = (now) => {
  const then = recent[0];
  const batches = then ? now.batches.count - then.batches.count : 0;
  const done = (s) => s.records.scored + s.records.passed + s.records.dead + s.records.discarded;
  const mean = batches > 0 ? (done(now) - done(then)) / batches : undefined;
  write("batch", mean === undefined ? "–" : rate(mean));
  extend("batch-line", mean);
  write("batch-more", `of at most ${count(now.batches.limit)}`);

  // A bar for each power of two up to the limit.
  const bars = Math.min(now.batches.sizes.length, 1 + Math.ceil(Math.log2(now.batches.limit)));
  const sizes = now.batches.sizes.slice(0, bars);
  drawBars(sizes);
  const most = sizes.indexOf(Math.max(...sizes));
  const range = most < 2 ? `${most + 1}` : `${2 ** (most - 1) + 1} to ${2 ** most}`;
  const lanes = `${now.batches.lanes} lane${now.batches.lanes === 1 ? "" : "s"}`;
  write("sizes-note", now.batches.count === 0 ? `${lanes}, no batch yet`
    : `${compact(now.batches.count)} batches since the start, most of ${range}; ${lanes}`);
  write("sizes-end", count(now.batches.limit));
};

const showCards = (now) => {
  const counted = { "end to end": "records", "queue wait": "records", delivery: "records" };
  fillTable("steps", now.latency.map((step) => [
    step.step, `${compact(step.count)} ${counted[step.step] ?? "batches"}`,
    time(step.p50Us).join(" "), time(step.p99Us).join(" ")]));

  const partitions = now.partitions;
  const all = partitions.shown.length === partitions.assigned
    ? "" : `; the ${partitions.shown.length} that lag most`;
  write("partitions-note", `${partitions.assigned} assigned${all}`);
  fillTable("partitions", partitions.shown.map((p) => [
    String(p.partition), count(p.lag), count(p.frontier), count(p.end)]));

  const flow = now.flow;
  write("memory-text", `${bytes(flow.inFlightBytes)} of ${bytes(flow.inFlightLimitBytes)}`);
  byId("memory").max = flow.inFlightLimitBytes;
  byId("memory").value = flow.inFlightBytes;
  fillList("flow", [
    ["Paused by backpressure", flow.isPaused ? "yes" : "no"],
    ["Pauses so far", count(flow.pauses)],
    ["Rebalances", count(flow.rebalances)],
    ["Rewinds", count(flow.rewinds)],
    ["Records not delivered", count(flow.deliveryFailures)],
    ["Producers made again", count(flow.producerRestarts)],
  ]);

  const then = recent[0];
  byId("reasons-table").hidden = now.dead.length === 0;
  const letters = now.deadLetters === undefined ? "No topic for them." : `To ${now.deadLetters}.`;
  write("reasons-note", now.dead.length === 0 ? `None so far. ${letters}` : letters);
  const total = (status, reason) => status.dead.find((d) => d.reason === reason)?.count ?? 0;
  fillTable("reasons", now.dead.map((d) => [
    d.reason, count(d.count), rate(perSecond(now, then, (s) => total(s, d.reason)))]));

  fillList("versions", [
    ["Model", now.model.name], ["Model version", now.model.version],
    ["Engine", `${now.model.engine} ${now.model.engineVersion}`],
    ["Millrace", now.versions.millrace], ["librdkafka", now.versions.librdkafka]]);
};

// Records that are there already keep their elements, so that a selection in them stays.
const sampleItems = new Map();

// The prediction fields of a record as short text; empty where they cannot be found.
const predictions = (sample, names) => {
  try {
    const value = JSON.parse(sample.value);
    return names.filter((name) => Object.hasOwn(value, name))
      .map((name) => `${name}: ${JSON.stringify(value[name])}`).join(", ");
  } catch {
    return "";
  }
};

const makeSample = (sample, names) => {
  const item = make("li");
  const place = make("p");
  place.className = "quiet";
  const scores = make("p", predictions(sample, names));
  scores.className = "scores";
  const value = make("pre", sample.value);
  // It may scroll, and keys have to reach it.
  value.tabIndex = 0;
  value.setAttribute("role", "group");
  value.setAttribute("aria-label", `value at partition ${sample.partition}, ${sample.offset}`);
  item.append(place, scores, value);
  return item;
};

const showSamples = (samples) => {
  let note = `At most ${samples.limit} a second, enriched and acknowledged.`;
  if (samples.limit === 0) note = "Not shown: http.samples is 0.";
  if (samples.hidden.length > 0) note += ` Hidden: ${samples.hidden.join(", ")}.`;
  if (samples.limit > 0 && samples.shown.length === 0) note += " None to show yet.";
  write("samples-note", note);
  const keys = samples.shown.map((s) => `${s.partition}:${s.offset}`);
  for (const key of sampleItems.keys()) if (!keys.includes(key)) sampleItems.delete(key);
  const items = samples.shown.map((sample, at) => {
    let item = sampleItems.get(keys[at]);
    if (item === undefined) {
      item = makeSample(sample, samples.predictions);
      sampleItems.set(keys[at], item);
    }
    const cut = sample.cutFromBytes === undefined
      ? "" : `, the beginning of ${bytes(sample.cutFromBytes)}`;
    item.firstChild.textContent =
      `partition ${sample.partition}, offset ${sample.offset}, ${age(sample.ageMs)}${cut}`;
    return item;
  });
  const list = byId("samples");
  const isSame = list.children.length === items.length
    && items.every((item, at) => list.children[at] === item);
  if (!isSame) list.replaceChildren(...items);
};

const show = (now) => {
  // Another process behind the same address.
  if (before !== undefined
      && (now.clockMs < before.clockMs || now.records.incoming < before.records.incoming)) {
    before = undefined;
    recent = [];
    lines.clear();
    sampleItems.clear();
  }
  write("pipeline", now.pipeline);
  write("way", `${now.from} → ${now.model.name} → ${now.to}, group ${now.group}`);
  if (now.isReady) tell("good", "ready", []);
  else tell(now.isLive ? "waiting" : "bad", now.isLive ? "not ready" : "stopped", now.missing);
  showTiles(now);
  showBatches(now);
  showCards(now);
  showSamples(now.samples);
  before = now;
  recent.push(now);
  while (recent.length > 1 && now.clockMs - recent[0].clockMs > 10000) recent.shift();
};

// State and notice are live regions: they are written only when they change.
const tell = (kind, word, reasons) => {
  const state = byId("state");
  state.dataset.kind = kind;
  write("state", word);
  document.title = `${word} · ${byId("pipeline").textContent}`;
  const notice = byId("notice");
  notice.dataset.kind = kind;
  notice.hidden = reasons.length === 0;
  const old = Array.from(notice.children, (line) => line.textContent);
  if (old.join("\n") === reasons.join("\n")) return;
  notice.replaceChildren(...reasons.map((reason) => make("p", reason)));
};

// Asking

let timer;
let failures = 0;
let isHeld = false;
let answeredAt;

const schedule = (ms) => {
  clearTimeout(timer);
  if (!isHeld && !document.hidden) timer = setTimeout(ask, ms);
};

const ask = async () => {
  let status;
  try {
    const answer = await fetch("status.json", {
      cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    status = await answer.json();
  } catch {
    return fail();
  }
  if (isHeld) return;
  failures = 0;
  answeredAt = new Date();
  show(status);
  schedule(everyMs);
};

const fail = () => {
  // Who has paused meanwhile sees what is there, and no complaint.
  if (isHeld) return;
  failures += 1;
  const since = answeredAt === undefined
    ? "No answer yet." : `No answer since ${answeredAt.toLocaleTimeString()}.`;
  if (failures < triesMost) {
    tell("waiting", "no answer", [`${since} Asking again.`]);
    return schedule(everyMs);
  }
  const what = answeredAt === undefined ? "" : " What is below is from then.";
  hold("Try again");
  tell("bad", "gone", [`The worker is gone. ${since}${what}`]);
};

const hold = (label) => {
  isHeld = true;
  clearTimeout(timer);
  write("hold", label);
};

byId("hold").addEventListener("click", () => {
  if (!isHeld) {
    hold("Go on");
    return tell("waiting", "paused", []);
  }
  isHeld = false;
  failures = 0;
  write("hold", "Pause");
  ask();
});

document.addEventListener("visibilitychange", () => schedule(0));
ask();
