"""The tree kernel predicts what the libraries do that made the models: the small ones of
scripts/make-tree-ensembles.py. All of them: scripts/compare-tree-ensembles."""
import importlib.util
import os
import pathlib
import subprocess
import sys
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PREDICTORS = REPOSITORY / ".build" / "bench-python"


class TreeTests(unittest.TestCase):
    def compare(self, names, *libraries):
        for library in libraries:
            if not (importlib.util.find_spec(library) or (PREDICTORS / library).is_dir()):
                self.skipTest(f"no {library}")
        done = subprocess.run(
            [sys.executable, REPOSITORY / "scripts" / "compare_tree_ensembles.py", "--quick",
             names], capture_output=True, text=True, timeout=600,
            env=os.environ | {"PYTHONPATH": str(PREDICTORS), "OMP_NUM_THREADS": "1"})
        lines = done.stdout.splitlines()
        wrong = [line for line in lines if not line.startswith("equal ")]
        self.assertEqual(done.returncode, 0, "\n".join(wrong) + done.stderr[-2000:])
        print(f"    {lines[-1]}", flush=True)

    def test_xgboost(self):
        self.compare("xgb_", "xgboost", "onnxmltools")

    def test_lightgbm(self):
        self.compare("lgb_", "lightgbm", "onnxmltools")

    def test_catboost(self):
        self.compare("cat_", "catboost")

    def test_scikit_learn(self):
        self.compare("skl_", "skl2onnx")

    def test_operators_of_onnx(self):
        self.compare("raw_", "onnxruntime")


if __name__ == "__main__":
    unittest.main()
