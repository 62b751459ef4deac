"""What `scripts/bench trees` measures: Millrace's kernel and other predictors of trees, each with
`rate(batch, seconds)`, rows per second on one thread. Other libraries are called through their own
C functions by scripts/bench-trees.c, where they have any."""
import ctypes
import os
import time

import numpy as np

from bench_kit import REPOSITORY, complain, say, tool
from trees_kit import quiet, to_single

INLINED_BYTES = 2 << 20

def loops(folder):
    """The library made from scripts/bench-trees.c."""
    library = folder / "bench-trees.so"
    tool("gcc", "-O2", "-shared", "-fPIC", REPOSITORY / "scripts" / "bench-trees.c", "-o", library)
    made = ctypes.CDLL(str(library))
    for name in "lightgbm", "xgboost", "treelite", "lleaves":
        getattr(made, f"bench_{name}").restype = ctypes.c_double
    return made


def pointer(what):
    """As an argument: an array, a function of a library, or a handle."""
    if isinstance(what, np.ndarray):
        return ctypes.c_void_p(what.ctypes.data)
    return ctypes.cast(what, ctypes.c_void_p)


class Probe:
    """A run of TreeProbe over the rows' file."""

    def __init__(self, binary, file, shape, engine):
        self.command = [binary, "time", file, shape.rows_file, str(shape.width)]
        self.engine = engine

    def rate(self, batch, seconds):
        printed = tool(*self.command, batch, seconds, "--engine", self.engine,
                       environment={"MILLRACE_ENGINES": str(REPOSITORY / ".engines")})
        return float(printed)


class Looped:
    """A predictor that bench-trees.c calls. `arguments` stand before rows, batch and seconds."""

    def __init__(self, function, rows, *arguments, keep=()):
        self.function, self.rows, self.arguments, self.keep = function, rows, arguments, keep

    def rate(self, batch, seconds):
        found = self.function(*self.arguments, ctypes.c_int64(self.rows), ctypes.c_int64(batch),
                              ctypes.c_double(seconds))
        if found < 0:
            complain(f"{self.function.__name__} failed")
        return found


class Called:
    """A predictor that only Python reaches: `predict` takes a slice of the rows."""

    def __init__(self, predict, rows):
        self.predict, self.rows = predict, rows

    def rate(self, batch, seconds):
        first, done = 0, 0
        start = time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            if first + batch > len(self.rows):
                first = 0
            self.predict(self.rows[first:first + batch])
            first += batch
            done += batch
        return done / (now - start)


def runtime(shape):
    """ONNX Runtime through Python, as most call it."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(shape.onnx), options,
                                           providers=["CPUExecutionProvider"])
    scores, name = [session.get_outputs()[-1].name], session.get_inputs()[0].name
    return Called(lambda rows: session.run(scores, {name: rows}), to_single(shape.rows()))


def lightgbm(made, shape):
    from lightgbm import Booster, basic
    booster = Booster(model_file=str(shape.own))
    rows, out = shape.rows(), np.zeros(1024)
    library, config = basic._LIB, ctypes.c_void_p()
    basic._safe_call(library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(1),
        ctypes.c_int32(shape.width), ctypes.c_char_p(b"num_threads=1"), ctypes.byref(config)))
    return Looped(made.bench_lightgbm, len(rows),
                  pointer(library.LGBM_BoosterPredictForMatSingleRowFast),
                  pointer(library.LGBM_BoosterPredictForMat), config, booster._handle,
                  pointer(rows), ctypes.c_int64(shape.width), pointer(out),
                  keep=(booster, rows, out))


def xgboost(made, shape):
    from xgboost import Booster, core
    booster = Booster({"nthread": 1})
    booster.load_model(str(shape.own))
    booster.set_param({"nthread": 1})
    rows = to_single(shape.rows())
    return Looped(made.bench_xgboost, len(rows), pointer(core._LIB.XGBoosterPredictFromDense),
                  booster.handle, pointer(rows), ctypes.c_int64(shape.width),
                  keep=(booster, rows))


def catboost(shape):
    """The wheel has no C functions; Python calls it."""
    from catboost import CatBoost
    model = CatBoost().load_model(str(shape.own.with_suffix(".cbm")))
    return Called(lambda rows: model.predict(rows, prediction_type="Probability", thread_count=1),
                  to_single(shape.rows()))


def treelite(made, shape):
    from treelite import Model, frontend
    from treelite.core import _LIB
    from treelite.gtil.gtil import GTILConfig
    if shape.library == "XGBoost":
        model = frontend.load_xgboost_model(str(shape.own))
    elif shape.library == "LightGBM":
        model = frontend.load_lightgbm_model(str(shape.own))
    else:
        model = Model.deserialize(str(shape.treelite))
    config = GTILConfig(predict_type="default", nthread=1)
    rows = np.ascontiguousarray(shape.rows(), dtype=model.input_type)
    out = np.zeros(1 << 16)
    return Looped(made.bench_treelite, len(rows), pointer(_LIB.TreeliteGTILPredict), model.handle,
                  config.handle, pointer(rows), ctypes.c_char_p(model.input_type.encode()),
                  ctypes.c_int64(rows.strides[0]), pointer(out),
                  keep=(model, config, rows, out))


def lleaves(made, shape, is_single):
    """Compiled; for single rows without blocks of trees, as its documentation advises. Large models
    without inlining, which takes minutes."""
    from lleaves import Model
    model = Model(model_file=str(shape.own))
    options = {"fblocksize": model.num_trees()} if is_single else {}
    options["finline"] = shape.own.stat().st_size < INLINED_BYTES
    cache = shape.folder / f"{shape.name}-{'single' if is_single else 'batch'}.o"
    if not cache.exists():
        say(f"compiling {cache.name}")
    with quiet():
        model.compile(cache=str(cache), **options)
    rows, out = shape.rows(), np.zeros(1 << 16)
    return Looped(made.bench_lleaves, len(rows), pointer(model._c_entry_func), pointer(rows),
                  ctypes.c_int64(shape.width), pointer(out), keep=(model, rows, out))


def predictors(made, binary, shape, batch):
    """Name and predictor of all that run this model. Of two of one name the better counts."""
    found = [("Millrace, .onnx", Probe(binary, shape.onnx, shape, "trees"))]
    if shape.own:
        found.append(("Millrace, own file", Probe(binary, shape.own, shape, "trees")))
    found += [("ONNX Runtime", Probe(binary, shape.onnx, shape, "onnxruntime")),
              ("ONNX Runtime", runtime(shape))]
    if shape.library == "XGBoost":
        found.append(("XGBoost", xgboost(made, shape)))
    if shape.library == "LightGBM":
        found += [("LightGBM", lightgbm(made, shape)),
                  ("lleaves", lleaves(made, shape, batch == 1))]
    if shape.library == "CatBoost":
        found.append(("CatBoost", catboost(shape)))
    else:
        found.append(("treelite", treelite(made, shape)))
    return found


def pin():
    """All of this process and its children on one core, one thread in each library."""
    core = sorted(os.sched_getaffinity(0))[-1]
    os.sched_setaffinity(0, {core})
    os.environ["OMP_NUM_THREADS"] = "1"
    return core
