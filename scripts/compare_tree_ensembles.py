"""Compares TreeProbe's predictions with the libraries'; scripts/compare-tree-ensembles starts it
and says how."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from trees_kit import Folder

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


def run_probe(probe, folder, entry):
    """What TreeProbe tells of each output, with the numbers as `values`; or why there is none."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            [probe, "predict", folder / entry["file"], folder / f"{entry['name']}.rows",
             str(entry["features"]), out.name],
            capture_output=True, text=True, timeout=600,
            env={"MILLRACE_ENGINES": str(REPOSITORY / ".engines")} | os.environ)
        if done.returncode:
            return None, done.stderr.strip().split("\n")[-1] or f"exit code {done.returncode}"
        numbers = np.fromfile(out.name, dtype="<f8")
    found, first = {}, 0
    for line in done.stdout.splitlines():
        told = json.loads(line)
        count = told["rows"] * told["width"]
        told["values"] = numbers[first:first + count].reshape(told["rows"], told["width"])
        found[told["output"]] = told
        first += count
    return found, None


def as_texts(told):
    return np.array(told["texts"] or [""])[told["values"].astype(int)]


def distance(one, other):
    """In units in the last place of float32."""
    def place(values):
        bits = values.astype(np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7fffffff), bits)
    return np.abs(place(one) - place(other))


def wrong_places(found, expected, tolerance):
    """Where two matrices differ by more than the tolerance allows. NaN is NaN, and an infinity
    itself."""
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(all="ignore"):
        off = np.abs(found - expected)
        if "absolute" in tolerance:
            same |= off <= tolerance["absolute"]
        if "ulp" in tolerance:
            same |= (distance(found, expected) <= tolerance["ulp"]) & np.isfinite(off)
        if "relative" in tolerance:
            bound = tolerance["relative"] * np.maximum(np.abs(expected), 1e-300)
            same |= (off <= bound) & np.isfinite(off)
    return ~same


def compare_output(told, one, expected):
    """None, or what differs."""
    if told["type"] == "string" or one["texts"]:
        mine = as_texts(told) if told["type"] == "string" else told["values"].astype(str)
        its = np.array(one["texts"])[expected.astype(int)] if one["texts"] else expected.astype(
            int).astype(str)
        wrong = mine != its
        mine, its = mine.reshape(len(wrong), -1), its.reshape(len(wrong), -1)
    else:
        mine, its = told["values"], expected
        if mine.shape != its.shape:
            return f"{mine.shape[1]} numbers a row instead of {its.shape[1]}"
        wrong = wrong_places(mine, its, one["tolerance"])
    if not wrong.any():
        return None
    row, column = np.argwhere(wrong.reshape(len(wrong), -1))[0]
    text = (f"{wrong.any(axis=-1).sum()} rows, first row {row}: {mine[row, column]!r} instead of"
            f" {its[row, column]!r}")
    if mine.dtype.kind == "f":
        with np.errstate(all="ignore"):
            text += f", at most {np.nanmax(np.abs(mine - its)[wrong]):.3g} off"
    return text


def compare(probe, folder, entry):
    """Whether all is equal, and a text."""
    found, error = run_probe(probe, folder, entry)
    if error:
        return False, error
    expected = np.fromfile(folder / f"{entry['name']}.expected", dtype="<f8")
    first, equal, different = 0, [], []
    for one in entry["outputs"]:
        count = entry["rows"] * one["width"]
        values = expected[first:first + count].reshape(entry["rows"], one["width"])
        first += count
        told = found.get(one["name"] or one["role"])
        if told is None:
            different.append(f"no output {one['name'] or one['role']}")
            continue
        if problem := compare_output(told, one, values):
            different.append(f"{told['output']}: {problem}")
        else:
            equal.append(told["output"])
    engine = next(iter(found.values()))["engine"]
    if engine != "trees" and entry["kind"] != "onnx":
        different.append(f"ran on {engine}")
    return not different, f"on {engine}: " + "; ".join(different or equal)


def main():
    parser = argparse.ArgumentParser(prog="compare-tree-ensembles")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=pathlib.Path, default=REPOSITORY / ".build" / "trees")
    parser.add_argument("--probe", type=pathlib.Path,
                        default=REPOSITORY / ".build" / "release" / "TreeProbe")
    arguments = parser.parse_args()
    made = subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "make-tree-ensembles.py", arguments.folder,
         *arguments.names, *(["--quick"] if arguments.quick else [])],
        stderr=subprocess.PIPE, text=True)
    lines = made.stderr.splitlines()
    skipped = [line.split(": ", 1)[1] for line in lines if ": skipped " in line]
    for line in lines if made.returncode else skipped:
        print(line)
    counts = {True: 0, False: 0}
    for entry in Folder(arguments.folder, "").entries():
        if arguments.quick and not entry["quick"]:
            continue
        if arguments.names and not any(part in entry["name"] for part in arguments.names):
            continue
        equal, text = compare(arguments.probe, arguments.folder, entry)
        counts[equal] += 1
        print(f"{'equal' if equal else 'DIFFERENT'} {entry['name']} {text}", flush=True)
    print(f"{counts[True]} equal, {counts[False]} different, {len(skipped)} skipped")
    sys.exit(1 if counts[False] or made.returncode or not counts[True] else 0)


if __name__ == "__main__":
    main()
