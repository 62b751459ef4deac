"""Takes docs/page.png of a running `millrace demo`; scripts/screenshot builds and calls it."""
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests" / "IntegrationTests"))
import browser  # noqa: E402

PICTURE = REPOSITORY / "docs" / "page.png"
WIDTH, HEIGHT = 1200, 1180
# Half of the lines' two minutes: they have a shape, and the start is over.
SECONDS = 75
BYTES_MOST = 300_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def take(address):
    tab = browser.Browser()
    try:
        tab.look(WIDTH, HEIGHT, "light")
        tab.open(address)
        time.sleep(SECONDS)
        if tab.text("#state") != "ready" or tab.complaints:
            sys.exit(f"screenshot: the page says '{tab.text('#state')}': {tab.complaints}")
        tab.picture(PICTURE, whole=False)
    finally:
        tab.close()
    size = PICTURE.stat().st_size
    if size > BYTES_MOST:
        sys.exit(f"screenshot: {size} bytes are more than {BYTES_MOST}")
    print(f"screenshot: {PICTURE.relative_to(REPOSITORY)}, {size} bytes")


def main():
    if reason := browser.missing():
        sys.exit(f"screenshot: {reason}")
    address = f"127.0.0.1:{free_port()}"
    demo = subprocess.Popen(
        [REPOSITORY / ".build" / "release" / "millrace", "demo", "--rate", "2000"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"MILLRACE_HTTP": address})
    try:
        # The first second's summary: it works, and so it listens.
        for line in demo.stdout:
            if re.match(r"-- [1-9]", line):
                break
        else:
            sys.exit("screenshot: the demo has ended")
        # It would wait where nobody read what it goes on to print, and end where nobody could.
        drain = subprocess.Popen(["cat"], stdin=demo.stdout, stdout=subprocess.DEVNULL)
        take(f"http://{address}/")
    finally:
        demo.terminate()
        demo.wait(30)
    drain.wait(10)


if __name__ == "__main__":
    main()
