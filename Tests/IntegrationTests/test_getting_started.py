"""docs/getting-started.md is true: its files and commands are taken out of the page and run in
order, in an empty folder, on a real broker. The first section is not: set-up, build and broker are
what scripts/test and these tests have done already."""
import collections
import json
import os
import re
import subprocess
import unittest

import brokers
import records
from brokers import REPOSITORY, scratch
from worker import binary

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:py|yaml))\n")


def blocks():
    """Language and text of each fenced block behind the first section."""
    page = (REPOSITORY / "docs" / "getting-started.md").read_text()
    return BLOCK.findall(page[page.index("\n## 2. "):])


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
