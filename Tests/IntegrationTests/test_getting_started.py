"""docs/getting-started.md is true: its files and commands are taken out of the page and run in
order, in an empty folder, on a real broker. The set-up runs where these tests are, which finds most
of it done, and with MILLRACE_LONG_TESTS=1 in a clean clone; the broker is one of the tests."""
import collections
import json
import os
import re
import shutil
import subprocess
import unittest

import brokers
import records
from brokers import REPOSITORY, scratch
from worker import binary

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:py|yaml))\n")


def blocks(is_set_up=False):
    """Language and text of each fenced block: of the first section, or of those behind it."""
    page = (REPOSITORY / "docs" / "getting-started.md").read_text()
    end = page.index("\n## 2. ")
    return BLOCK.findall(page[:end] if is_set_up else page[end:])


class SetUpTests(unittest.TestCase):
    def setUp(self):
        if shutil.which("swift") is None:
            self.skipTest("needs swift on PATH")
        (_, self.commands), (_, self.broker) = blocks(is_set_up=True)

    def run_set_up(self, folder):
        """The set-up's commands, as they stand; then `millrace` and `python` are those of the
        folder, and `python` has all that the page's files import."""
        imports = {name for language, text in blocks() if language == "python"
                   for name in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)}
        self.assertIn("skl2onnx", imports)
        after = f"command -v millrace python\npython -c 'import {', '.join(sorted(imports))}'\n"
        path = ":".join(p for p in os.environ["PATH"].split(":") if ".venv" not in p)
        done = subprocess.run(["bash", "-e"], input=self.commands + after, cwd=folder, text=True,
                              capture_output=True, env=os.environ | {"PATH": path}, timeout=3600)
        self.assertEqual(done.returncode, 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        self.assertEqual(done.stdout.splitlines()[-2:],
                         [f"{folder}/.build/release/millrace", f"{folder}/.venv/bin/python"])

    def test_the_set_up_works_where_all_is_there(self):
        self.run_set_up(REPOSITORY)

    @unittest.skipUnless(os.environ.get("MILLRACE_LONG_TESTS"),
                         "takes long; MILLRACE_LONG_TESTS=1 runs it")
    def test_the_set_up_works_in_a_clean_clone(self):
        pins = (REPOSITORY / "scripts" / "dev-requirements.txt").read_text()
        [small] = re.findall(r"^flatbuffers==.*$", pins, re.MULTILINE)
        folder = scratch() / records.new_name("set-up")
        reachable = subprocess.run(
            [REPOSITORY / ".venv" / "bin" / "python", "-m", "pip", "download", "--no-deps",
             "--dest", folder / "wheels", small], capture_output=True, timeout=300)
        if reachable.returncode:
            self.skipTest("needs the package index")
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, folder / "clone"], check=True)
        self.run_set_up(folder / "clone")

    def test_the_broker_is_that_of_the_compose_file(self):
        compose = (REPOSITORY / "docker" / "compose.yaml").read_text()
        images = set(re.findall(r"image: (apache/kafka:\S+)", compose))
        self.assertEqual(set(re.findall(r"apache/kafka:\S+", self.broker)), images)
        [port] = re.findall(r"--publish (\d+):9092 ", self.broker)
        self.assertIn(f"export KAFKA_BROKERS=localhost:{port}\n", self.broker)


class GettingStartedTests(unittest.TestCase):
    def setUp(self):
        # A broker of its own: the page's topics have names that anybody could have.
        self.cluster = brokers.cluster("getting-started")
        self.addCleanup(brokers.end_cluster, "getting-started")
        self.folder = scratch() / records.new_name("getting-started")
        self.folder.mkdir()
        path = [binary().parent, REPOSITORY / ".venv" / "bin", os.environ["PATH"]]
        self.environment = os.environ | {
            "KAFKA_BROKERS": self.cluster.bootstrap, "PATH": ":".join(map(str, path))}

    def run_line(self, line):
        done = subprocess.run(["bash", "-c", line], cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300)
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_the_page_is_true(self):
        outputs, shown = {}, []
        for language, text in blocks():
            name = FILE_NAME.match(text)
            if language in ("python", "yaml"):
                self.assertTrue(name, f"a file without its name in the first line:\n{text}")
                (self.folder / name[1]).write_text(text)
            elif language == "sh":
                outputs |= {line: self.run_line(line) for line in text.splitlines()}
            else:
                shown.append(text.strip())
        self.assertIn("records=151 dead=1 ", outputs["millrace run --until-end iris.yaml"])
        scored = outputs["python read.py flowers.scored"].splitlines()
        self.assertEqual(len(shown), 1)
        self.assertIn(shown[0], [line.strip() for line in scored])
        found = collections.Counter(json.loads(line)["species"] for line in scored)
        self.assertEqual(sorted(found), ["setosa", "versicolor", "virginica"])
        self.assertEqual((len(scored), found["setosa"]), (150, 50))
        dead = outputs["python read.py flowers.dead"].splitlines()
        self.assertEqual(len(dead), 1)
        self.assertIn('{"sepal_length": "long"} ', dead[0])
        self.assertGreater(len(dead[0]), len('{"sepal_length": "long"} '), "no reason")


if __name__ == "__main__":
    unittest.main()
