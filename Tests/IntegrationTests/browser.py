"""A headless Chromium, driven by its DevTools protocol over two pipes: no driver and no package."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import unittest

# Without its own sandbox, which root and containers cannot have; it opens our own page only.
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe"]


def missing():
    """Why there is no browser; None where there is one."""
    return None if shutil.which("chromium") else "needs chromium: scripts/setup --dev"


class PageGone(AssertionError):
    """Another page has come while this one was asked."""


class Browser:
    """One Chromium with one tab. What the tab complained of gathers in `complaints`."""

    def __init__(self):
        if reason := missing():
            raise unittest.SkipTest(reason)
        self.complaints = []
        self._statuses = []
        self._addresses = {}
        self._number = 0
        self._rest = b""
        self._profile = tempfile.mkdtemp(prefix="millrace-chromium-")
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        # The browser reads its descriptor 3 and writes its descriptor 4. The shell puts ours
        # there, by way of numbers that none of the four has.
        start = (f'exec 98<&{commands} 99>&{answers} {commands}<&- {answers}>&-; '
                 'exec 3<&98 4>&99 98<&- 99>&-; exec "$@"')
        self._process = subprocess.Popen(
            ["bash", "-c", start, "bash", shutil.which("chromium"), *OPTIONS,
             f"--user-data-dir={self._profile}", "about:blank"],
            pass_fds=[commands, answers], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self._session = None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"]
                      if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                  flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """Sends a command and waits for its result; events on the way are noted."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                if "error" in answer:
                    gone = "navigated" in answer["error"]["message"]
                    raise (PageGone if gone else AssertionError)(
                        f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _next(self, deadline):
        while b"\0" not in self._rest:
            wait = max(0, deadline - time.monotonic())
            if not select.select([self._answers], [], [], wait)[0]:
                raise AssertionError("chromium does not answer")
            more = os.read(self._answers, 1 << 20)
            if not more:
                raise AssertionError(f"chromium has ended with {self._process.wait(10)}")
            self._rest += more
        text, self._rest = self._rest.split(b"\0", 1)
        return json.loads(text)

    def _note(self, event):
        """Keeps what a person would see as an error or warning in the console, and dialogs."""
        method, content = event.get("method"), event.get("params", {})
        if method == "Log.entryAdded" and content["entry"]["level"] in ("error", "warning"):
            entry = content["entry"]
            self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {content['exceptionDetails']}")
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {content['args']}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {content['message']}")
        elif method == "Network.requestWillBeSent":
            self._addresses[content["requestId"]] = content["request"]["url"]
        elif method == "Network.responseReceivedExtraInfo":
            # Also of an answer that the page itself may not see.
            self._statuses.append((content["requestId"], content["statusCode"]))

    # What one does with it

    def open(self, address):
        self.call("Page.navigate", url=address)

    def ask(self, expression):
        """The value of a JavaScript expression, awaited where it is a promise."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def text(self, selector):
        """None where no such element is there, or the page just gives way to another one."""
        try:
            return self.ask(f"document.querySelector({json.dumps(selector)})?.textContent")
        except PageGone:
            return None

    def statuses(self, address):
        """The status of each answer from that address so far."""
        return [s for request, s in self._statuses if self._addresses.get(request) == address]

    def look(self, width, height, scheme, scale=1):
        """Makes the window that size, light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=False)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, whole=True):
        """Writes a PNG of the whole page, or of what the window shows."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(data["data"]))

    def close(self):
        # Ending the pipe ends it.
        os.close(self._commands)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._answers)
        shutil.rmtree(self._profile, ignore_errors=True)
