#!/usr/bin/env python3
"""Makes tree ensembles with the libraries themselves, 5,000 rows for each with thresholds exactly
met, and the libraries' own predictions, for scripts/compare-tree-ensembles.

usage: make-tree-ensembles.py FOLDER [--quick] [--list] [NAME...]
  --quick   only some fifty small ones
  --list    only prints the names
  NAME      only models whose name contains it

Seeded. A model that is there already and was made by these scripts and libraries is left alone, so
that a run that was ended goes on. Models of libraries that are missing are skipped by name;
CatBoost is in scripts/bench-requirements.txt, all else in scripts/dev-requirements.txt.
"""
import argparse
import hashlib
import importlib
import importlib.metadata
import pathlib
import sys
import time
import warnings

import trees_boosters
import trees_onnx
from trees_kit import Folder, quiet, say

warnings.filterwarnings("ignore")
# What makes the models whose names begin so.
LIBRARIES = {"xgb": ["xgboost"], "lgb": ["lightgbm"], "cat": ["catboost", "onnxruntime"],
             "skl": ["skl2onnx", "onnxruntime"], "omt": ["onnxmltools", "onnxruntime"],
             "raw": ["onnxruntime"]}


def stamp():
    """Changes with the scripts and the libraries."""
    made = hashlib.sha256()
    here = pathlib.Path(__file__).parent
    for path in [pathlib.Path(__file__), *sorted(here.glob("trees_*.py"))]:
        made.update(path.read_bytes())
    for name in sorted({one for some in LIBRARIES.values() for one in some} | {"scikit-learn"}):
        try:
            made.update(f"{name} {importlib.metadata.version(name)}".encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    return made.hexdigest()[:16]


def is_missing(library):
    try:
        importlib.import_module(library)
        return False
    except ImportError:
        return True


def main():
    parser = argparse.ArgumentParser(prog="make-tree-ensembles.py")
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    trees_boosters.xgboost_recipes()
    trees_boosters.lightgbm_recipes()
    trees_boosters.catboost_recipes()
    missing = {kind for kind, names in LIBRARIES.items() if any(map(is_missing, names))}
    if "skl" not in missing:
        trees_onnx.sklearn_recipes()
    if "omt" not in missing:
        trees_onnx.converted_recipes()
    trees_onnx.random_recipes()

    folder = Folder(arguments.folder, stamp())
    # CatBoost's models lie there twice.
    folder.forget_all_but({f"{name}{form}" for name in trees_boosters.RECIPES
                           for form in ["", "_json", "_onnx"]})
    began, made, skipped, failed = time.monotonic(), 0, [], []
    for name, (make, small) in trees_boosters.RECIPES.items():
        if arguments.quick and not small:
            continue
        if arguments.names and not any(part in name for part in arguments.names):
            continue
        if arguments.list:
            print(name)
            continue
        if name.split("_")[0] in missing:
            skipped.append(name)
            continue
        if folder.has(name) or folder.has(f"{name}_json") and name.startswith("cat_"):
            continue
        start = time.monotonic()
        try:
            with quiet():
                make(folder)
        except Exception as error:  # one library's refusal must not hide the other models
            failed.append(name)
            say(f"{name}: {type(error).__name__}: {str(error)[:300]}")
            continue
        made += 1
        say(f"{name} ({time.monotonic() - start:.1f} s)")
    for name in skipped:
        say(f"skipped {name}: no {' or '.join(LIBRARIES[name.split('_')[0]])}")
    say(f"{made} made, {len(failed)} failed, {len(skipped)} skipped in"
        f" {time.monotonic() - began:.0f} s; {len(folder.entries())} are there")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
