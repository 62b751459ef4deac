#!/usr/bin/env python3
"""Makes Tests/Fixtures/boosters/lightgbm_*: models of LightGBM and what the library predicts for
rows that meet thresholds exactly, miss values, lie around zero, or name categories never seen.

usage: make-lightgbm-fixtures.py        all of LightGBM 4 (those of pandas only where it is there)
       make-lightgbm-fixtures.py old    the subset for an older version, named lightgbm_VERSION_NAME

Old versions run in a folder of their own, on the PYTHONPATH: pip install --no-deps --target FOLDER
lightgbm==3.3.5 (2.3.1, 2.2.3, 2.1.2, 2.0.12, 2.0.11, 2.0.7, 2.0.6, 2.0.4, 2.0.2).
NAME.txt is the model. NAME.expected.json holds the inputs of the rows and the outputs; numbers are
texts, so that NaN and infinities survive.
"""
import importlib.metadata
import json
import pathlib
import re
import sys
import tempfile
import warnings

import lightgbm as lgb
import numpy as np

try:
    import pandas as pd
except ImportError:
    pd = None

warnings.filterwarnings("ignore")
OUT = pathlib.Path(__file__).resolve().parent.parent / "Tests/Fixtures/boosters"
IS_OLD = sys.argv[1:] == ["old"]
# The oldest say a wrong one of themselves.
VERSION = importlib.metadata.version("lightgbm")
OLDEST = ("2.0.2", "2.0.3", "2.0.4")
PREFIX = "lightgbm_" + (VERSION.replace(".", "") + "_" if IS_OLD else "")
FOLDER = pathlib.Path(tempfile.mkdtemp())
ROWS = 40
# Beside the rows at thresholds. 1.0000000180025095e-35 is float32's 1e-35, LightGBM's zero.
EDGES = [np.nan, 0.0, -0.0, 5e-324, -5e-324, 1e-36, -1e-36, 1e-35, -1e-35, 1.1e-35, -1.1e-35,
         1e300, -1e300, np.inf, -np.inf]
CATEGORY_EDGES = [np.nan, -1.0, -0.5, 0.0, -0.0, 0.999, 31.0, 32.0, 1e9, 2.0 ** 31, 3e9, -3e9, 1e300,
                  np.inf, -np.inf]


def text(value):
    return str(value) if isinstance(value, str) else repr(float(value))


def data(rows=400, features=4, seed=1, missing=None, category=None, categories=40):
    rng = np.random.RandomState(seed)
    X = rng.randn(rows, features)
    X[:, 1] = np.round(X[:, 1], 1)
    y = X[:, 0] + np.abs(X[:, 1]) + 0.3 * rng.randn(rows)
    if category is not None:
        X[:, category] = rng.randint(0, categories, rows)
        y = y + (X[:, category] % 3 == 0)
    if missing is not None:
        X[rng.rand(rows) < 0.2, missing] = np.nan
    return X, y


def train(params, X, y, rounds=4, **dataset):
    merged = dict(verbose=-1, num_leaves=8, min_data_in_leaf=5, learning_rate=0.3, num_threads=1)
    merged.update(params)
    own = {k: merged[k] for k in ("use_missing", "zero_as_missing", "linear_tree", "verbose",
                                  "min_data_in_leaf", "num_threads", "cat_smooth",
                                  "min_data_per_group", "max_cat_to_onehot") if k in merged}
    # To the oldest, what the data set says of categories is nothing.
    again = {name: value for name, value in dataset.items()
             if name == "categorical_feature" and VERSION in OLDEST}
    while True:
        try:
            return lgb.train(merged, lgb.Dataset(X, y, params=own, **dataset), rounds, **again)
        except lgb.basic.LightGBMError as error:
            unknown = re.search(r"Unknown parameter: (\w+)", str(error))
            if not IS_OLD or unknown is None or unknown.group(1) not in merged:
                raise
            del merged[unknown.group(1)]
            own.pop(unknown.group(1), None)


def edge_rows(content, features, seed=7):
    """Rows around the thresholds of each feature, by the model's own text."""
    rng = np.random.RandomState(seed)
    points = [[] for _ in range(features)]
    categorical = set()
    for tree in content.split("\nTree=")[1:]:
        lists = {}
        for key in ("split_feature", "threshold", "decision_type"):
            found = re.search("^" + key + "=(.*)$", tree, re.M)
            lists[key] = found.group(1).split() if found else []
        for feature, threshold, decision in zip(*lists.values()):
            if int(decision) & 1:
                categorical.add(int(feature))
            else:
                points[int(feature)].append(float(threshold))
    X = np.empty((ROWS, features))
    for j in range(features):
        for i in range(ROWS):
            kind = rng.randint(10)
            if j in categorical:
                X[i, j] = (rng.randint(0, 60) if kind < 6
                           else CATEGORY_EDGES[rng.randint(len(CATEGORY_EDGES))])
                continue
            t = points[j][rng.randint(len(points[j]))] if points[j] else 0.0
            if kind < 3:
                X[i, j] = t
            elif kind == 3:
                X[i, j] = np.nextafter(t, -np.inf)
            elif kind == 4:
                X[i, j] = np.nextafter(t, np.inf)
            elif kind < 7:
                X[i, j] = 2 * rng.randn()
            else:
                X[i, j] = EDGES[rng.randint(len(EDGES))]
    return X


def outputs(booster, X, kind):
    prediction = np.asarray(booster.predict(X))
    raw = np.asarray(booster.predict(X, raw_score=True))
    result = {"prediction": prediction, "raw": raw}
    if kind == "classifier":
        two = prediction if prediction.ndim == 2 else np.stack([1 - prediction, prediction], 1)
        result["probabilities"] = two
        result["label"] = np.argmax(two, 1).astype(float)
    return {name: {"width": values.shape[1] if values.ndim == 2 else 1,
                   "values": [text(v) for v in values.reshape(-1)]}
            for name, values in result.items()}


def write(name, content, inputs, results):
    name = PREFIX + name
    with open(str(OUT / (name + ".txt")), "w", newline="") as file:
        file.write(content)
    with open(str(OUT / (name + ".expected.json")), "w") as file:
        json.dump({"rows": ROWS, "inputs": inputs, "outputs": results}, file,
                  separators=(",", ":"))
        file.write("\n")


def content_of(booster):
    path = str(FOLDER / "model.txt")
    booster.save_model(path)
    with open(path, newline="") as file:
        content = file.read()
    # The parameters name folders and take room; those that matter to loaders stay.
    return re.sub(r"(?m)^\[(?!boosting|objective|categorical_feature|num_class)[^\n]*\n", "",
                  content)


def reload(content):
    path = str(FOLDER / "model.txt")
    with open(path, "w", newline="") as file:
        file.write(content)
    return lgb.Booster(model_file=path)


def store(name, booster, kind="", content=None, change=None):
    content = content or content_of(booster)
    names = re.search("^feature_names=(.*?)\r?$", content, re.M).group(1).split()
    X = edge_rows(content, len(names))
    if change is not None:
        change(X)
    results = outputs(reload(content), X, kind)
    if all(n == "Column_%d" % i for i, n in enumerate(names)):
        inputs = [{"name": "features", "type": "float64", "width": len(names),
                   "values": [text(v) for v in X.reshape(-1)]}]
    else:
        inputs = [{"name": n, "type": "float64", "width": 1,
                   "values": [text(v) for v in X[:, i]]} for i, n in enumerate(names)]
    write(name, content, inputs, results)
    return content


def store_pandas(name, frame, y, rows, params):
    booster = train(params, frame, y)
    content = content_of(booster)
    results = outputs(booster, rows, "")
    inputs = []
    for column in frame.columns:
        values = list(rows[column])
        if frame[column].dtype.name != "category":
            kind = "float64"
        elif isinstance(frame[column].cat.categories[0], str):
            kind = "string"
            values = ["" if v is None or v != v else v for v in values]
        elif frame[column].dtype.categories.dtype == bool:
            kind = "bool"
        else:
            kind = "float64"
        inputs.append({"name": column, "type": kind, "width": 1,
                       "values": [text(v) for v in values]})
    write(name, content, inputs, results)


def objectives():
    X, y = data(missing=2)
    positive = np.abs(y) + 0.1
    names = ["amount", "age=x", "größe", "n"]
    for name in ["regression", "regression_l1", "huber", "fair", "quantile", "mape"]:
        store(name, train({"objective": name}, X, y, feature_name=names))
    for name in ["regression", "regression_l1", "quantile"]:
        store(name + "_sqrt", train({"objective": name, "reg_sqrt": True}, X, y))
    for name in ["poisson", "gamma", "tweedie"]:
        store(name, train({"objective": name}, X, positive))
    for name in ["cross_entropy", "cross_entropy_lambda"]:
        store(name, train({"objective": name}, X, 1 / (1 + np.exp(-y))))
    for name in ["lambdarank", "rank_xendcg"]:
        store(name, train({"objective": name}, X, np.clip(np.round(positive), 0, 4).astype(int),
                          group=[20] * 20))


def classes(y, count):
    return np.digitize(y, np.quantile(y, np.arange(1, count) / count))


def classifiers():
    X, y = data(missing=2)
    store("binary", train({"objective": "binary"}, X, y > 0.6), "classifier")
    store("binary_sigmoid", train({"objective": "binary", "sigmoid": 0.7}, X, y > 0.6),
          "classifier")
    three = classes(y, 3)
    store("multiclass", train({"objective": "multiclass", "num_class": 3}, X, three, 3),
          "classifier")
    store("multiclassova",
          train({"objective": "multiclassova", "num_class": 3, "sigmoid": 2.0}, X, three, 3),
          "classifier")

    def custom(scores, dataset):
        return scores - dataset.get_label(), np.ones_like(scores)
    store("custom", train({"objective": custom}, X, y))


def forests():
    X, y = data(missing=2)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6,
              "feature_fraction": 0.8}
    store("rf_regression", train(dict(forest, objective="regression"), X, y, 5))
    if VERSION >= "2.2":
        store("rf_binary", train(dict(forest, objective="binary"), X, y > 0.6, 5), "classifier")
        store("rf_multiclass", train(dict(forest, objective="multiclass", num_class=3), X,
                                     classes(y, 3), 3), "classifier")
    else:
        # Its leaves hold probabilities, and nothing says so: Millrace refuses it.
        store("rf_binary", train(dict(forest, objective="binary"), X, y > 0.6, 5))


def missing_values():
    X, y = data(missing=2)
    X[::9, 3] = 0
    X[1::9, 0] = 0
    store("zero_as_missing", train({"zero_as_missing": True}, X, y))
    store("no_missing", train({"use_missing": False}, X, y))
    zeros = np.where(np.random.RandomState(4).rand(*X.shape) < 0.6, 0.0, X)
    store("many_zeros", train({}, zeros, y + zeros[:, 0]))


def categorical():
    few = {"cat_smooth": 1, "min_data_per_group": 2}
    for name, own in {"categorical": few, "categorical_onehot": dict(few, max_cat_to_onehot=64),
                      "categorical_zero": dict(few, zero_as_missing=True)}.items():
        X, y = data(category=3, missing=3)
        store(name, train(own, X, y + X[:, 0], categorical_feature=[3],
                          feature_name=["a", "b", "c", "kind"]))


def shapes():
    X, y = data()
    store("constant", train({}, X, np.full(len(y), 3.25)))
    store("stumps", train({"num_leaves": 2}, X, y, 30))
    store("deep", train({"num_leaves": 120, "min_data_in_leaf": 1}, X, y, 2))
    store("one_feature", train({}, X[:, :1], y))
    store("dart", train({"boosting": "dart", "drop_rate": 0.5}, X, y, 6))
    store("goss", train({"boosting": "goss"}, X, y, 6))
    wide = np.random.RandomState(3).randn(200, 60)
    store("wide", train({}, wide, wide[:, :20].sum(1), 8))


def linear():
    X, y = data(missing=2)
    names = ["a", "b", "c", "d"]
    store("linear", train({"linear_tree": True}, X, y, feature_name=names))
    store("linear_binary", train({"linear_tree": True, "objective": "binary"}, X, y > 0.6),
          "classifier")
    X, y = data(category=3)
    store("linear_categorical", train({"linear_tree": True, "cat_smooth": 1,
                                       "min_data_per_group": 2}, X, y, categorical_feature=[3]))


def edited():
    X, y = data(missing=2)
    content = content_of(train({"objective": "binary"}, X, y > 0.6, 2))
    # Without a blank line behind them LightGBM reads past the last tree's end.
    head = content[:content.index("end of trees")].rstrip("\n") + "\n\n\n"
    store("no_tail", None, "classifier", re.sub("tree_sizes=.*\n", "", head))
    thresholds = iter("0 -0 1e-36 -1e-36 1e-35 -1e-35 1.0000000180025095e-35 "
                      "-1.0000000180025095e-35 inf -inf nan 1e-300".split() * 2)
    zero = re.sub("(?m)^threshold=(.*)$", lambda m: "threshold=" + " ".join(
        next(thresholds) for _ in m.group(1).split()), content)
    decisions = iter("0 2 4 6 8 10".split() * 4)
    zero = re.sub("(?m)^decision_type=(.*)$", lambda m: "decision_type=" + " ".join(
        next(decisions) for _ in m.group(1).split()), zero)
    store("zero_thresholds", None, "classifier", re.sub("tree_sizes=.*\n", "", zero))
    # Read by LightGBM with LF only.
    booster = train({}, X, y, 2)
    plain = store("crlf", booster)
    with open(str(OUT / (PREFIX + "crlf.txt")), "w", newline="") as file:
        file.write(plain.replace("\n", "\r\n"))


def stopped_early():
    X, y = data(rows=300)
    train_set = lgb.Dataset(X[:150], y[:150])
    booster = lgb.train(dict(verbose=-1, num_leaves=16, learning_rate=0.9, min_data_in_leaf=2),
                        train_set, 40, valid_sets=[lgb.Dataset(X[150:], y[150:])],
                        callbacks=[lgb.early_stopping(3, verbose=False)])
    assert booster.best_iteration < 30
    store("early_stopping", booster)


def pandas():
    rng = np.random.RandomState(1)
    n = 400

    def frame(n, more):
        columns = {"a": rng.randn(n), "city": rng.choice(["x", "y", 'z "q" é'] + more, n),
                   "level": rng.choice([3, 4, 8, -2] + [7] * bool(more), n),
                   "rate": rng.choice([0.5, 1.5, 2.5] + [1.0] * bool(more), n),
                   "is_new": rng.choice([True, False], n)}
        return pd.DataFrame(columns)
    train_frame = frame(n, [])
    y = (train_frame.a + (train_frame.city == "x") + 2 * (train_frame.level == 4)
         + (train_frame.rate == 1.5) + 0.5 * train_frame.is_new)
    kinds = {c: "category" for c in ["city", "level", "rate", "is_new"]}
    rows = frame(ROWS, ["Y", ""])
    own = {"cat_smooth": 1, "min_data_per_group": 2, "max_cat_to_onehot": 2}
    store_pandas("pandas", train_frame.astype(kinds), y, rows.astype(kinds), own)
    texts = train_frame[["city"]].astype("category")
    store_pandas("pandas_text", texts, y, rows[["city"]].astype("category"), own)


OUT.mkdir(parents=True, exist_ok=True)
if IS_OLD:
    X, y = data(missing=2)
    store("regression", train({"objective": "regression"}, X, y,
                              feature_name=["a", "b", "c", "d"]))
    if VERSION.startswith("2.0."):
        store("poisson", train({"objective": "poisson"}, X, np.floor(np.abs(y))))
    store("multiclass", train({"objective": "multiclass", "num_class": 3}, X, classes(y, 3), 2),
          "classifier")
    X[::5, 0] = 0
    store("zero_as_missing", train({"zero_as_missing": True}, X, y))
    store("constant", train({}, X, np.full(len(y), 3.25)))
    # The oldest split off one category, and only a large one.
    is_first = VERSION.startswith("2.0.")
    X, y = data(category=3, missing=3, categories=6 if is_first else 40)
    if is_first:
        y = y + 2 * (X[:, 3] == 2) - 2 * (X[:, 3] == 0)
    store("categorical", train({"objective": "binary", "cat_smooth": 1, "min_data_per_group": 2}, X,
                               y > 0.8, categorical_feature=[3]), "classifier")
    if VERSION not in OLDEST:
        forests()
    if VERSION >= "3.3":
        linear()
else:
    for make in [objectives, classifiers, forests, missing_values, categorical, shapes, linear,
                 edited, stopped_early] + ([pandas] if pd else []):
        make()
