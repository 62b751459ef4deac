"""The models and events of shared/bench, and what onnxruntime says of them."""
import functools
import json
import os
import pathlib
import subprocess
import sys
import unittest

import numpy
import onnxruntime

from brokers import scratch, shared_folder

FIELDS = ["/amount", "/hour", *(f"/v{n}" for n in range(2, 16))]
INPUTS = {"gbt": "features", "mlp": "X"}
EVENTS = 200_000


@functools.cache
def folder():
    """The folder with the data: MILLRACE_BENCH_DATA where it is made already, else made now."""
    named = os.environ.get("MILLRACE_BENCH_DATA")
    if named:
        return pathlib.Path(named).resolve()
    shared = shared_folder()
    if shared is None or not (shared / "bench" / "make_model.py").exists():
        raise unittest.SkipTest("needs shared/bench to make models and events")
    made = scratch() / "bench"
    done = subprocess.run([sys.executable, shared / "bench" / "make_model.py", made, str(EVENTS)],
                          capture_output=True, text=True)
    if done.returncode:
        raise unittest.SkipTest(f"shared/bench/make_model.py failed: {done.stderr[-500:]}")
    return made


def model(name):
    """The file of the model `gbt` or `mlp`."""
    return folder() / f"fraud_{name}.onnx"


@functools.cache
def rows():
    """The events, as bytes."""
    return (folder() / "events.jsonl").read_bytes().splitlines()


@functools.cache
def scores(name):
    """What onnxruntime gives for class 1 of each event."""
    names = [field[1:] for field in FIELDS]
    features = numpy.array([[event[n] for n in names] for event in map(json.loads, rows())],
                           dtype=numpy.float32)
    session = onnxruntime.InferenceSession(str(model(name)), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {INPUTS[name]: features})[0][:, 1]
