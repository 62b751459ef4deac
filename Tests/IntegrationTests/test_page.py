"""The live page in a browser, as people see it: numbers that move, records as text, hidden fields
hidden, nothing wider than the window, other sites shut out."""
import http.client
import http.server
import json
import os
import pathlib
import random
import threading
import time
import unittest

import bench_data
import browser
import records
from brokers import wait_until
from cases import BrokerCase
from records import Record

PARTITIONS = 2
SIZES = [(360, 740), (1400, 900)]
SCHEMES = ["light", "dark"]
# What must come out as text. Each would set the mark if any of it became markup.
MARK = "window.__ran"
HOSTILE = [
    f"<script>{MARK} = 1</script>",
    f'"><img src=x onerror="{MARK} = 2">',
    f"'-{MARK}=3-'</pre><svg onload={MARK}=4>",
    "line\u2028separator\u2029paragraph",
    "\U0001f98a emoji \u202e reversed",
    f"javascript:{MARK}=5",
]
SECRET = "secret-4111"


class Feeder:
    """Puts hostile and some bad records into the topic, 100 a second, until `stop`."""

    def __init__(self, bootstrap, topic, fields):
        self._producer = records.new_producer(bootstrap)
        self._topic, self._fields = topic, fields
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = 0
        # Which text a record has must not keep step with which records are shown.
        self._random = random.Random(1)
        while not self._over.wait(0.05):
            for _ in range(5):
                records.put(self._producer, self._topic, Record(
                    None, self._value(number), [], None, number % PARTITIONS))
                number += 1
            self._producer.poll(0)

    def _value(self, number):
        if number % 20 == 7:
            return b"no json"
        row = {name: 0.5 for name in self._fields}
        row["text"] = self._random.choice(HOSTILE)
        row["card"] = f"{SECRET}-{number}"
        row["user"] = {"email": f"{SECRET}@{number}", "id": number}
        if number % 20 == 8:
            row[self._fields[0]] = "text"
        # As another writer might: nothing but what JSON asks for is escaped.
        return json.dumps(row, ensure_ascii=False).encode()

    def stop(self):
        self._over.set()
        self._thread.join(60)
        records.flush(self._producer)


class PageTests(BrokerCase):
    def setUp(self):
        if reason := browser.missing():
            self.skipTest(reason)
        super().setUp()
        source = self.topic("in", PARTITIONS)
        self.running = self.worker(self.pipeline(
            source, self.topic("out", PARTITIONS), dead=self.topic("dead", 1),
            http={"listen": "127.0.0.1:0", "samples": 8, "hide": ["/card", "/user/email"]}))
        feeder = Feeder(self.bootstrap, source, [f.removeprefix("/") for f in bench_data.FIELDS])
        self.addCleanup(feeder.stop)
        self.running.wait_ready()
        self.running.wait_metric("millrace_records_scored_total", 100)
        self.address = self.running.address
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)

    def number(self, selector):
        text = (self.browser.text(selector) or "").replace(",", "").split(" ")[0]
        return float(text) if text.replace(".", "", 1).isdigit() else None

    def test_shows_a_worker_at_work(self):
        self.browser.look(1400, 900, "light")
        self.browser.open(f"http://{self.address}/")
        self.wait(lambda: self.browser.text("#state") == "ready", "state ready")
        self.wait(lambda: (self.number("#in") or 0) > 10, "a rate")
        self.assert_numbers_move()
        self.assert_reasons()
        self.assert_records_are_text()
        self.assert_hidden_fields_are_nowhere()
        self.assert_nothing_overflows()
        self.assertEqual(self.browser.complaints, [])
        self.assert_it_can_be_held()
        self.assert_it_says_when_the_worker_is_gone()

    def wait(self, condition, what, seconds=30):
        return wait_until(condition, lambda: f"{what}: {self.browser.complaints[:3]}", seconds, 0.2)

    def assert_numbers_move(self):
        for selector in ["#in-more", "#out-more", "#dead-more", "#partitions tr td:nth-child(4)"]:
            before = self.number(selector)
            self.assertIsNotNone(before, selector)
            self.wait(lambda s=selector, b=before: self.number(s) > b, f"{selector} > {before}")
        self.assertIsNotNone(self.number("#lag"))
        self.assertIsNotNone(self.number("#latency"))
        self.assertGreater(self.number("#batch"), 0)
        points = self.browser.ask("document.querySelectorAll('#in-line polyline').length")
        self.assertEqual(points, 1)

    def assert_reasons(self):
        def reasons():
            rows = self.browser.ask(
                "[...document.querySelectorAll('#reasons tr')].map(r => r.textContent)")
            return rows if any(r.startswith("malformed") for r in rows) and any(
                r.startswith("wrong_type") for r in rows) else None
        self.wait(reasons, "both reasons")

    def assert_records_are_text(self):
        """Each hostile text has been seen on the page as it is, and none of it has run."""
        seen = set()

        def all_seen():
            values = self.browser.ask(
                "[...document.querySelectorAll('#samples pre')].map(p => p.textContent)")
            for value in values:
                seen.update(t for t in HOSTILE if json.loads(value)["text"] == t)
            return len(seen) == len(HOSTILE)
        self.wait(all_seen, "all texts", 60)
        inside = self.browser.ask(
            "document.querySelectorAll('#samples :not(li, p, pre)').length")
        self.assertEqual(inside, 0)
        self.assertEqual(self.browser.ask("document.querySelectorAll('script').length"), 1)
        self.assertEqual(self.browser.ask("document.images.length"), 0)
        self.assertEqual(self.browser.ask(f"typeof {MARK}"), "undefined")
        scores = self.browser.text("#samples .scores")
        self.assertRegex(scores, r"^score: 0\.[0-9]+$")

    def assert_hidden_fields_are_nowhere(self):
        for _ in range(5):
            answer = self.running.get("/status.json")[1]
            page = self.browser.ask("document.documentElement.outerHTML")
            for text in (answer, page):
                self.assertIn("(hidden)", text)
                self.assertNotIn(SECRET, text)
            time.sleep(0.3)

    def assert_nothing_overflows(self):
        kept = os.environ.get("MILLRACE_SCREENSHOTS")
        folder = pathlib.Path(kept) if kept else self.running.folder
        for width, height in SIZES:
            for scheme in SCHEMES:
                self.browser.look(width, height, scheme)
                found = self.browser.ask(
                    "[document.documentElement.scrollWidth, innerWidth, "
                    "getComputedStyle(document.body).backgroundColor]")
                self.assertEqual(found[1], width)
                self.assertLessEqual(found[0], width, f"{width} {scheme}")
                is_dark = sum(map(int, found[2].removeprefix("rgb(")[:-1].split(","))) < 3 * 128
                self.assertEqual(is_dark, scheme == "dark", found[2])
                picture = folder / f"page-{width}-{scheme}.png"
                self.browser.picture(picture)
                self.assertGreater(picture.stat().st_size, 10_000)

    def assert_it_can_be_held(self):
        """By the keyboard: Tab comes to the button first."""
        for kind in ("keyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab",
                              windowsVirtualKeyCode=9)
        self.assertEqual(self.browser.ask("document.activeElement.id"), "hold")
        self.browser.ask("document.activeElement.click()")
        self.assertEqual(self.browser.text("#state"), "paused")
        held = self.browser.text("#in-more")
        time.sleep(2.5)
        self.assertEqual(self.browser.text("#in-more"), held)
        self.browser.ask("document.activeElement.click()")
        self.wait(lambda: self.browser.text("#state") == "ready", "ready again")
        self.wait(lambda: self.browser.text("#in-more") != held, "numbers go on")
        self.assert_a_late_failure_changes_nothing()

    def assert_a_late_failure_changes_nothing(self):
        """A question that is open when the page is held, and then fails."""
        self.browser.ask("window.own = fetch, window.fetch = () => new Promise("
                         "(_, fail) => { window.fail = fail; }), 0")
        self.wait(lambda: self.browser.ask("typeof window.fail") == "function", "a question")
        self.browser.ask("document.activeElement.click()")
        self.browser.ask("window.fail(new Error('late')), window.fetch = window.own, 0")
        time.sleep(1.5)
        self.assertEqual(self.browser.text("#state"), "paused")
        self.browser.ask("document.activeElement.click()")
        self.wait(lambda: self.browser.text("#state") == "ready", "ready again")

    def assert_it_says_when_the_worker_is_gone(self):
        self.running.kill()
        self.wait(lambda: self.browser.text("#state") == "gone", "gone", 30)
        self.assertIn("No answer since", self.browser.text("#notice"))
        asked = "performance.getEntriesByType('resource').length"
        before = self.browser.ask(asked)
        time.sleep(2.5)
        self.assertEqual(self.browser.ask(asked), before, "asks on")
        self.assertEqual(self.browser.text("#hold"), "Try again")

    def test_other_sites_learn_nothing(self):
        """What a page of another port, or of another name, can try comes back empty."""
        for name in ("127.0.0.1", "localhost"):
            self.browser.open(self.another_site(name))
            self.wait(lambda: self.browser.ask("document.title") == "elsewhere", name)
            for path in ["/", "/status.json", "/readyz", "/livez", "/metrics"]:
                address = f"http://{self.address}{path}"
                before = len(self.browser.statuses(address))
                for options in ("{}", "{mode: 'no-cors'}"):
                    found = self.browser.ask(
                        f"fetch('{address}', {options}).then(a => a.text(), e => 'refused')")
                    self.assertIn(found, ("refused", ""), f"{path} {options}")
                for element in ("script", "img", "iframe"):
                    self.browser.ask(
                        "new Promise(done => { const e = document.createElement("
                        f"'{element}'); e.src = '{address}'; e.onload = e.onerror = () => done(); "
                        "document.body.append(e); })")
                # The browser tells of an answer a little after the page has it.
                self.wait(lambda a=address, n=before + 5: self.browser.ask("1")
                          and len(self.browser.statuses(a)) >= n, f"five answers of {path}")
                self.assertEqual(set(self.browser.statuses(address)), {403}, f"{name} {path}")

    def test_a_link_of_another_site_leads_to_the_page(self):
        self.browser.open(self.another_site("localhost"))
        self.wait(lambda: self.browser.ask("document.title") == "elsewhere", "another site")
        self.browser.ask("document.querySelector('a').click()")
        self.wait(lambda: self.browser.text("#state") == "ready", "the page")
        self.assertEqual(self.browser.statuses(f"http://{self.address}/"), [200])

    def another_site(self, name):
        """A server of another page, with a link to the worker's; its address."""
        page = ("<!doctype html><link rel=icon href='data:,'><title>elsewhere</title>"
                f"<body><a href='http://{self.address}/'>see</a>").encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://{name}:{server.server_port}/"

    def test_a_name_that_points_here_is_refused(self):
        connection = http.client.HTTPConnection(self.address, timeout=10)
        for host, expected in [("evil.example", 403), (self.address, 200), ("localhost", 200)]:
            connection.request("GET", "/status.json", headers={"Host": host})
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, expected, host)
            self.assertEqual(body == b"", expected == 403, host)
        connection.close()


if __name__ == "__main__":
    unittest.main()
