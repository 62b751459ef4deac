"""What the measurements of scripts/bench stand on: tools, data, broker and topics."""
import argparse
import atexit
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
EVENTS = 200_000
BATCH = 512
PARTITIONS = 4
FIELDS = ["/amount", "/hour", *(f"/v{n}" for n in range(2, 16))]
INPUTS = {"gbt": "features", "mlp": "X"}
LOG_BYTES = 12 << 30
PAGE = REPOSITORY / "docs" / "performance.md"
MARKS = ("<!-- scripts/bench --write: begin -->", "<!-- scripts/bench --write: end -->")
CONNECTION_MARKS = ("<!-- scripts/bench connections --write: begin -->",
                    "<!-- scripts/bench connections --write: end -->")
HOSTILE_MARKS = ("<!-- scripts/bench hostile --write: begin -->",
                 "<!-- scripts/bench hostile --write: end -->")
TREE_MARKS = ("<!-- scripts/bench trees --write: begin -->",
              "<!-- scripts/bench trees --write: end -->")


def say(text):
    print(f"bench: {text}", file=sys.stderr)


def complain(text):
    sys.exit(f"bench: {text}")


def tool(*command, environment=None, timeout=900):
    """Runs a command to its end and returns what it prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=timeout, env=os.environ | (environment or {}))
    if done.returncode:
        complain(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(condition, what, seconds=60, every=0.002):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            complain(f"not within {seconds} s: {what}")
        time.sleep(every)
    return value


def shared_folder():
    """The folder with kafka/ and bench/: MILLRACE_SHARED, or `shared` beside the repository."""
    named = os.environ.get("MILLRACE_SHARED")
    places = [pathlib.Path(named)] if named else [REPOSITORY.parent / "shared"]
    if not named:  # a worktree lies elsewhere than the repository that it belongs to
        git = tool("git", "-C", REPOSITORY, "rev-parse", "--git-common-dir").strip()
        places.append((REPOSITORY / git).resolve().parent.parent / "shared")
    for place in places:
        if (place / "kafka" / "kafka").exists() and (place / "bench" / "limit").exists():
            return place.resolve()
    complain("needs shared/kafka and shared/bench; MILLRACE_SHARED names the folder of both")


@dataclasses.dataclass
class Bench:
    """What all measurements share."""
    binary: pathlib.Path
    records: int
    folder: pathlib.Path
    shared: pathlib.Path
    data: pathlib.Path
    bootstrap: str = ""
    runs: int = 0

    def loader(self, *arguments):
        return tool(sys.executable, self.shared / "bench" / "loader.py", self.bootstrap,
                    *arguments)

    def model(self, name):
        return self.data / f"fraud_{name}.onnx"

    def fresh_topic(self):
        self.runs += 1
        topic = f"out-{self.runs}"
        self.loader("create", PARTITIONS, topic)
        return topic

    def drop(self, topic):
        """Deletes the topic, so that neither disk nor page cache fill up with old output."""
        tool(self.shared / "kafka" / "kafka", "topics", "--bootstrap-server", self.bootstrap,
             "--delete", "--topic", topic)

    def pipeline(self, source, sink, model, lanes=1, header=False, engine="auto", **more):
        """Writes a pipeline file; YAML takes JSON as it is. `lanes` 0 is the default."""
        path = self.folder / f"pipeline-{self.runs}.yaml"
        content = {
            "name": "bench", "source": {"topic": source, "group": f"bench-{self.runs}"},
            "kafka": {"bootstrap.servers": self.bootstrap},
            "model": {"file": str(self.model(model)), "engine": engine,
                      "inputs": {INPUTS[model]: FIELDS}},
            "append": {"score": "probabilities[1]"},
            "batch": {"max_records": BATCH}, **({"lanes": lanes} if lanes else {}),
            "sink": {"topic": sink, "model_header": header}}
        path.write_text(json.dumps(content | more, indent=1))
        return path


def made_data(shared):
    """The folder with the models and events of shared/bench, which are made once."""
    made = os.environ.get("W")
    data = (pathlib.Path(made) if made else REPOSITORY / ".build" / "bench") / "data"
    if not (data / "features.f32").exists():
        if made:
            complain(f"{data} has no data: run shared/bench/setup.sh, or leave W out")
        say("making models and events")
        part = data.with_name("data.new")
        shutil.rmtree(part, ignore_errors=True)
        tool(sys.executable, shared / "bench" / "make_model.py", part, EVENTS)
        part.rename(data)
    return data


def verdict_of(met):
    return "met" if met else "missed"


def write_section(marks, text):
    """Replaces what stands between the marks on the page of measurements."""
    page = PAGE.read_text()
    begin, end = (page.index(mark) for mark in marks)
    PAGE.write_text(page[:begin] + marks[0] + "\n" + text + page[end:])


def broker_folder(folder):
    """Where the broker keeps its log: in memory where there is room, so that the disk's flushes are
    not measured."""
    memory = pathlib.Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < LOG_BYTES:
        say("no room in /dev/shm: the broker writes to a disk, whose flushes show in the latency")
        return folder / "kafka"
    made = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=memory))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made / "kafka"


def prepare(arguments):
    """Data, broker and input topic; all but the data ends with the process."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shared = shared_folder()
    data = made_data(shared)
    bench = Bench(arguments.binary, arguments.records, folder, shared, data)
    say("starting a broker")
    cluster = broker_folder(folder)
    atexit.register(subprocess.run, [shared / "kafka" / "kafka", "down", cluster])
    printed = tool(shared / "kafka" / "kafka", "up", cluster, "--heap", "1g",
                   "--set", "log.segment.delete.delay.ms=1000")
    bench.bootstrap = re.search(r"^BOOTSTRAP=(.*)$", printed, re.M).group(1)
    say(f"loading {bench.records} records")
    bench.loader("create", PARTITIONS, "events")
    bench.loader("load", "events", data / "events.jsonl", bench.records)
    return bench


def run_pairs(mode, measure, marks):
    """The command line of a mode that compares two sides: `measure(bench, pairs)` makes its table,
    which --write puts between the marks."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {mode}")
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--binary", type=lambda text: pathlib.Path(text).resolve(),
                        default=REPOSITORY / ".build" / "release" / "millrace")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        complain(f"no binary {arguments.binary}")
    table = measure(prepare(arguments), arguments.pairs)
    print(table, end="")
    if arguments.write:
        write_section(marks, table)
