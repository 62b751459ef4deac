#!/usr/bin/env python3
"""Makes the models of Tests/Fixtures/boosters with the libraries themselves, and beside each what the
library's own predict() says for rows that meet thresholds exactly, miss values, and so on.

  make-booster-fixtures.py xgboost            all that this version of XGBoost can train
  make-booster-fixtures.py xgboost v17        the subset kept for an old version, names tagged
  make-booster-fixtures.py catboost

Old versions: pip install --no-deps --target DIR xgboost==1.7.6, then PYTHONPATH=DIR. CatBoost needs
numpy, pandas and six. What comes out differs in the last digits from machine to machine: commit models
and expectations together.
"""
import json
import math
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.environ.get("BOOSTERS") or os.path.join(HERE, "..", "Tests", "Fixtures", "boosters")
ROWS = int(os.environ.get("BOOSTER_ROWS") or 24)


def number(x):
    """The shortest text that is this float32 or float64 again."""
    if isinstance(x, (bool, np.bool_)):
        return int(x)
    if isinstance(x, (int, np.integer, str)):
        return x if isinstance(x, str) else int(x)
    return float(str(x)) if math.isfinite(x) else float(x)


def numbers(a):
    a = np.asarray(a)
    return [numbers(x) for x in a] if a.ndim > 1 else [number(x) for x in a]


def write_expected(name, data):
    with open(os.path.join(OUT, name + ".expected.json"), "w") as f:
        json.dump(data, f, separators=(",", ":"))
        f.write("\n")


def edge_rows(rng, count, thresholds, special=True):
    """Rows around the thresholds of each feature."""
    X = np.empty((count, len(thresholds)), dtype="f4")
    for j, values in enumerate(thresholds):
        values = np.asarray(sorted(values) or [0.0], dtype="f4")
        for i in range(count):
            t = values[rng.integers(len(values))]
            kind = rng.integers(10)
            if kind < 3:
                x = t
            elif kind == 3:
                x = np.nextafter(t, np.float32(-np.inf))
            elif kind == 4:
                x = np.nextafter(t, np.float32(np.inf))
            elif kind < 8:
                x = rng.normal() * 2
            elif special:
                x = [np.nan, 0.0, -0.0, 1e-45, -1e-40, 3e38, -3e38, np.nan][rng.integers(8)]
            else:
                x = np.nan
            X[i, j] = x
    return X


# ---------------------------------------------------------------------------------------- XGBoost

def xgboost_thresholds(path, features):
    model = json.load(open(path))["learner"]["gradient_booster"]
    model = model.get("model") or model["gbtree"]["model"]
    found = [set() for _ in range(features)]
    for tree in model["trees"]:
        for i, left in enumerate(tree["left_children"]):
            if left != -1 and not math.isnan(tree["split_conditions"][i]):
                found[tree["split_indices"][i]].add(tree["split_conditions"][i])
    return found


def xgboost_data(rng, rows=400, features=5):
    X = rng.normal(size=(rows, features)).astype("f4")
    X[rng.random(X.shape) < 0.1] = np.nan
    Z = np.nan_to_num(X)
    score = Z[:, 0] - Z[:, 1] * Z[:, 2] + 0.3 * rng.normal(size=rows)
    return X, score


def make_xgboost(tag):
    import xgboost as xgb

    version = tuple(int(x) for x in xgb.__version__.split(".")[:2])
    rng = np.random.default_rng(7)
    X, score = xgboost_data(rng)
    classes = np.clip(np.floor(score).astype(int) + 1, 0, 2)
    two = np.stack([score, 2 * np.nan_to_num(X[:, 3]) + 5], 1)

    if version < (1, 5):
        # This version says copy=False where NumPy 2 wants None.
        array = np.array
        np.array = lambda *a, copy=True, **more: array(*a, copy=copy or None, **more)

    def matrix(X, y=None, **more):
        if version < (1, 5):
            # It calls what NumPy 2 no longer has; its way in for sparse data works.
            from scipy.sparse import coo_matrix
            i, j = np.nonzero(~np.isnan(X))
            return xgb.DMatrix(coo_matrix((X[i, j], (i, j)), shape=X.shape).tocsr(), y, **more)
        return xgb.DMatrix(X, y, **more)

    def save(name, booster, features, form="json", rows=None, types=None, names=None, count=ROWS):
        name = f"xgb{tag}-{name}"
        path = os.path.join(OUT, name + "." + form)
        other = os.path.join(OUT, name + ".tmp.json")
        booster.save_model(path)
        booster.save_model(other)
        if rows is None:
            rows = edge_rows(np.random.default_rng(5), count, xgboost_thresholds(other, features))
        os.remove(other)
        more = {}
        if names: more["feature_names"] = names
        if types: more.update(feature_types=types, enable_categorical="c" in types)
        if isinstance(booster, xgb.XGBClassifier):
            prediction = booster.predict_proba(rows)[:, 1]
            raw = booster.predict(rows, output_margin=True)
        else:
            data = matrix(rows, **more)
            prediction, raw = booster.predict(data), booster.predict(data, output_margin=True)
        write_expected(name, {
            "file": os.path.basename(path), "library": "xgboost " + xgb.__version__,
            "rows": numbers(rows), "prediction": numbers(prediction), "raw": numbers(raw)})
        print(name, os.path.getsize(path))

    def train(name, y, rounds=6, form="json", X=X, names=None, types=None, rows=None, extra=None,
              **parameters):
        if version < (1, 6) and (form == "ubj" or types or y.ndim > 1):
            return None
        parameters = {"max_depth": 3, "seed": 3, "nthread": 1, **parameters}
        more = {}
        if names: more["feature_names"] = names
        if types: more.update(feature_types=types, enable_categorical="c" in types)
        data = matrix(X, y, **more)
        for key, value in (extra or {}).items():
            if key == "group": data.set_group(value)
            else: data.set_float_info(key, value)
        try:
            booster = xgb.train(parameters, data, rounds)
        except (xgb.core.XGBoostError, TypeError) as error:
            print("not with this version:", name, str(error).splitlines()[0][:120])
            return None
        save(name, booster, X.shape[1], form, rows, types, names)
        return booster

    names = ["amount", "age", "score of x", "größe", "is_new"]
    positive = np.exp(score / 2)
    binary = (score > 0).astype(int)
    cats = np.stack([rng.integers(0, 12, 400), rng.integers(0, 70, 400)], 1).astype("f4")
    XC = np.concatenate([X[:, :2], cats], 1)
    yc = score + (cats[:, 0] % 3) + (cats[:, 1] % 5 == 0)
    cat_rows = edge_rows(rng, 30, [[0.0], [0.1], [], []])
    cat_rows[:, 2] = rng.integers(0, 14, 30)
    cat_rows[:, 3] = rng.integers(0, 200, 30)
    cat_rows[::9, 2] = np.nan
    cat_rows[3::9, 3] = np.nan
    types = ["float", "q", "c", "c"]

    train("binary", binary, objective="binary:logistic")
    train("binary-ubj", binary, form="ubj", objective="binary:logistic", names=names)
    train("squared", score, objective="reg:squarederror", names=names)
    train("squared-ubj", score, form="ubj", objective="reg:squarederror")
    train("softprob", classes, rounds=3, objective="multi:softprob", num_class=3)
    if not tag: train("softmax", classes, objective="multi:softmax", num_class=3)
    train("poisson", np.floor(positive), objective="count:poisson")
    train("dart", binary, rounds=8, booster="dart", rate_drop=0.5, objective="binary:logistic")
    train("pruned", score, gamma=3, max_depth=6, objective="reg:squarederror", tree_method="exact")
    train("base", binary, base_score=0.2, objective="binary:logistic")
    train("forest", binary, rounds=3, num_parallel_tree=4, subsample=0.6, colsample_bynode=0.8,
          learning_rate=1, objective="binary:logistic")
    train("categorical", yc, rounds=4, X=XC, rows=cat_rows, types=types, tree_method="hist",
          max_cat_to_onehot=1)
    train("multioutput", two, rounds=3, form="ubj", multi_strategy="multi_output_tree",
          tree_method="hist")
    if tag:
        train("twotargets", two, rounds=3)
        train("gamma", positive, objective="reg:gamma")
        train("logitraw", binary, objective="binary:logitraw", base_score=0.3)
        if version < (2, 0):
            booster = xgb.train({"objective": "binary:logistic"}, matrix(X, binary), 1)
            booster.save_model(os.path.join(OUT, f"xgb{tag}-old.model"))
        return
    train("logitraw", binary, objective="binary:logitraw")
    train("hinge", binary, objective="binary:hinge")
    train("reglogistic", 1 / (1 + np.exp(-score)), objective="reg:logistic")
    train("squaredlog", positive, objective="reg:squaredlogerror")
    train("pseudohuber", score, objective="reg:pseudohubererror")
    train("absolute", score, objective="reg:absoluteerror")
    train("quantile", score, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    train("gamma", positive, objective="reg:gamma")
    train("tweedie", np.floor(positive), objective="reg:tweedie", tweedie_variance_power=1.4)
    train("cox", np.where(rng.random(400) < 0.3, -positive, positive), objective="survival:cox")
    train("aft", None, objective="survival:aft", extra={
        "label_lower_bound": positive, "label_upper_bound": np.where(binary, np.inf, positive)})
    for kind in ["pairwise", "ndcg", "map"]:
        train("rank-" + kind, binary if kind == "map" else classes, rounds=4,
              objective="rank:" + kind, extra={"group": [20] * 20})
    train("softprob-ubj", classes, form="ubj", objective="multi:softprob", num_class=3)
    train("softprob-dart", classes, rounds=5, booster="dart", rate_drop=0.5, num_class=3,
          objective="multi:softprob")
    train("multilabel", (two > [0, 5]).astype(int), objective="binary:logistic")
    # Labels that are all alike: what base_score is kept within, and what it is minus infinity for.
    train("alike-zeros", np.zeros(400), objective="binary:logistic")
    train("alike-ones", np.ones(400), objective="reg:logistic")
    train("alike-column", np.stack([binary, np.zeros(400)], 1), objective="binary:logistic")
    train("alike-counts", np.zeros(400), objective="count:poisson")
    train("base-tiny", binary, base_score=1e-7, objective="binary:logistic")
    train("multioutput-json", two, rounds=3, multi_strategy="multi_output_tree",
          tree_method="hist", names=names)
    train("multioutput-multi", classes, rounds=3, multi_strategy="multi_output_tree", num_class=3,
          objective="multi:softprob", tree_method="hist")
    train("multioutput-dart", two, rounds=4, multi_strategy="multi_output_tree", booster="dart",
          rate_drop=0.5, tree_method="hist")
    train("categorical-onehot", yc, rounds=4, X=XC, rows=cat_rows, types=types,
          tree_method="hist", max_cat_to_onehot=100)
    train("categorical-pruned", yc, rounds=3, X=XC, rows=cat_rows, types=types, gamma=6,
          max_depth=6, tree_method="approx", form="ubj")
    train("stump", score, rounds=1, max_depth=1)
    train("single-leaf", score, rounds=2, gamma=1e9)
    train("deep", score, rounds=2, max_depth=12, min_child_weight=0, form="ubj")
    train("lossguide", score, rounds=2, max_depth=0, max_leaves=20, grow_policy="lossguide",
          tree_method="hist")
    train("updated", score, rounds=3, names=["f0", "f1", "f2", "f3", "f4"])
    # Early stopping leaves best_iteration; Booster.predict uses all trees nevertheless.
    a, b = matrix(X[:300], binary[:300]), matrix(X[300:], binary[300:])
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 4, "eta": 0.9}, a, 30, evals=[(b, "b")],
        early_stopping_rounds=4, verbose_eval=False)
    save("stopped", booster, 5)
    # scikit-learn's wrapper notes itself in the file, and stops at best_iteration.
    wrapper = xgb.XGBClassifier(
        max_depth=4, learning_rate=0.9, n_estimators=30, early_stopping_rounds=4)
    wrapper.fit(X[:300], binary[:300], eval_set=[(X[300:], binary[300:])], verbose=False)
    save("wrapper-stopped", wrapper, 5)
    # Categories by their texts and numbers, which only this version keeps in its files.
    import pandas as pd
    cities = ["Rome", "Lima", "Oslo", "x y", "Bonn", "Nice"]
    codes = [10, 20, 35, 400, -5]
    frame = pd.DataFrame({
        "amount": X[:, 0], "city": pd.Categorical.from_codes(rng.integers(0, 6, 400), cities),
        "code": pd.Categorical.from_codes(rng.integers(0, 5, 400), codes)})
    y = score + (frame.city.cat.codes % 3) - 2 * (frame.code.cat.codes == 2)
    booster = xgb.train({"max_depth": 4, "max_cat_to_onehot": 1, "nthread": 1}, xgb.DMatrix(
        frame, y, enable_categorical=True), 4)
    for form in ["json", "ubj"]:
        name = "xgb-pandas" + ("" if form == "json" else "-ubj")
        booster.save_model(os.path.join(OUT, name + "." + form))
        rows = frame[:24].copy()
        rows.loc[:2, "city"] = None
        plain = np.stack([rows.amount, rows.city.cat.codes.where(rows.city.notna(), np.nan),
                          rows.code.astype(float)], 1)
        # Another order of the categories changes nothing.
        rows["city"] = rows.city.cat.reorder_categories(cities[::-1])
        data = xgb.DMatrix(rows, enable_categorical=True)
        write_expected(name, {
            "file": name + "." + form, "library": "xgboost " + xgb.__version__,
            "texts": {1: cities}, "rows": numbers(plain),
            "prediction": numbers(booster.predict(data)),
            "raw": numbers(booster.predict(data, output_margin=True))})
    # Beside a text in another script the file has all of them broken: they come as codes.
    fuels = ["Öl", "Gas", "Über", "Strom"]
    frame = pd.DataFrame({
        "amount": X[:, 0], "fuel": pd.Categorical.from_codes(rng.integers(0, 4, 400), fuels)})
    booster = xgb.train({"max_depth": 4, "nthread": 1}, xgb.DMatrix(
        frame, score + 2 * (frame.fuel.cat.codes % 2), enable_categorical=True), 4)
    booster.save_model(os.path.join(OUT, "xgb-pandas-umlauts.json"))
    rows = frame[:24]
    data = xgb.DMatrix(rows, enable_categorical=True)
    write_expected("xgb-pandas-umlauts", {
        "file": "xgb-pandas-umlauts.json", "library": "xgboost " + xgb.__version__,
        "rows": numbers(np.stack([rows.amount, rows.fuel.cat.codes], 1)),
        "prediction": numbers(booster.predict(data)),
        "raw": numbers(booster.predict(data, output_margin=True))})
    booster = xgb.train({"booster": "gblinear", "objective": "reg:squarederror"}, a, 2)
    booster.save_model(os.path.join(OUT, "xgb-gblinear.json"))


# --------------------------------------------------------------------------------------- CatBoost

def catboost_thresholds(path, features):
    model = json.load(open(path))
    found = [set() for _ in range(features)]
    for feature in model["features_info"]["float_features"]:
        found[feature["flat_feature_index"]] |= set(feature["borders"] or [])
    return found


def make_catboost():
    import catboost as cb
    import pandas as pd

    rng = np.random.default_rng(11)
    X, score = xgboost_data(rng)
    classes = np.clip(np.floor(score).astype(int) + 1, 0, 2)
    binary = (score > 0).astype(int)
    full = np.nan_to_num(X)

    def train(name, y, kind=cb.CatBoostRegressor, X=X, rows=None, cats=None, names=None,
              threshold=None, texts=None, **parameters):
        parameters = dict(iterations=8, depth=3, verbose=0, allow_writing_files=False,
                          random_seed=3, thread_count=1, **parameters)
        pool = cb.Pool(X, y, cat_features=cats, feature_names=names)
        model = kind(**parameters).fit(pool)
        if threshold: model.set_probability_threshold(threshold)
        name = "cat-" + name
        path = os.path.join(OUT, name + ".json")
        model.save_model(path, format="json", pool=pool)
        file = json.load(open(path))
        # Long, and of no use to a reader of models.
        for key in ["output_options", "training"]: file["model_info"].pop(key, None)
        for tree in file.get("oblivious_trees", []): tree.pop("leaf_weights", None)
        json.dump(file, open(path, "w"), separators=(",", ":"))
        if rows is None:
            rows = edge_rows(np.random.default_rng(5), ROWS, catboost_thresholds(path, X.shape[1]))
        data = cb.Pool(rows, cat_features=cats, feature_names=names)
        plain = rows
        for column, values in (texts or {}).items():
            # By index.
            plain = plain.copy()
            plain[plain.columns[column]] = plain[plain.columns[column]].map(values.index)
        expected = {
            "file": os.path.basename(path), "library": "catboost " + cb.__version__,
            "rows": numbers(np.asarray(plain, dtype="f8")), "texts": texts or {}}
        prediction = np.asarray(model.predict(data))
        if kind is cb.CatBoostClassifier:
            expected["probabilities"] = numbers(model.predict_proba(data))
            if prediction.ndim > 1 and prediction.shape[1] == 1: prediction = prediction[:, 0]
            if prediction.dtype.kind in "OUS":
                # By index.
                prediction = np.array([list(model.classes_).index(c) for c in prediction])
        expected["prediction"] = numbers(prediction)
        expected["raw"] = numbers(model.predict(data, prediction_type="RawFormulaVal"))
        write_expected(name, expected)
        print(name, os.path.getsize(path))

    names = ["amount", "age", "score of x", "größe", "is_new"]
    classifier = cb.CatBoostClassifier
    train("rmse", score, names=names)
    train("nan-max", score, nan_mode="Max")
    train("no-nan", score, X=full, rows=full[:24])
    train("logloss", binary, classifier)
    train("logloss-texts", np.array(["no", "yes"])[binary], classifier, names=names)
    train("logloss-threshold", binary, classifier, threshold=0.7)
    train("crossentropy", 1 / (1 + np.exp(-score)), classifier, loss_function="CrossEntropy")
    train("multiclass", classes + 5, classifier)
    train("multiclass-texts", np.array(["a", "b", "c"])[classes], classifier)
    train("onevsall", classes, classifier, loss_function="MultiClassOneVsAll")
    train("multilabel", np.stack([binary, score > 1], 1).astype(int), classifier,
          loss_function="MultiLogloss")
    train("multilabel-threshold", np.stack([binary, score > 1], 1).astype(int), classifier,
          loss_function="MultiLogloss", threshold=0.2)
    # Classes that training was told of and never saw.
    train("classes-count", classes * 2, classifier, loss_function="MultiClass", classes_count=6)
    train("classes-missing", np.array(["a", "b", "d"])[classes], classifier,
          loss_function="MultiClassOneVsAll", class_names=["a", "b", "c", "d"])
    train("truths", binary.astype(bool), classifier)
    train("poisson", np.floor(np.exp(score / 2)), loss_function="Poisson")
    train("tweedie", np.floor(np.exp(score / 2)), loss_function="Tweedie:variance_power=1.5")
    train("quantile", score, loss_function="Quantile:alpha=0.3")
    train("multiquantile", score, loss_function="MultiQuantile:alpha=0.1,0.5")
    train("multirmse", np.stack([score, 2 * score], 1), loss_function="MultiRMSE")
    train("uncertainty", score, loss_function="RMSEWithUncertainty")
    train("depthwise", score, grow_policy="Depthwise")
    train("lossguide", score, grow_policy="Lossguide", max_leaves=12)
    train("lossguide-multi", classes, classifier, grow_policy="Lossguide", max_leaves=6)
    frame = pd.DataFrame({"amount": X[:, 0], "shop": rng.integers(-2, 9, 400),
                          "unused": rng.integers(0, 9, 400), "age": X[:, 1]})
    y = score + 2 * (frame.shop == 3) - (frame.shop == -1)
    rows = frame[:24].copy()
    rows.loc[:5, "shop"] = [-2, -1, 3, 99, 0, -7]
    train("onehot", y, X=frame, rows=rows, cats=["shop"], one_hot_max_size=50)
    shops = ["Köln", "Rome", "x y", "3", "none of them"]
    frame["shop"] = [shops[i] for i in rng.integers(0, 4, 400)]
    y = score + 2 * (frame.shop == "Köln") - (frame.shop == "3")
    rows = frame[:24].copy()
    rows.loc[:3, "shop"] = shops[4]
    train("onehot-texts", y, X=frame, rows=rows, cats=["shop"], texts={1: shops},
          one_hot_max_size=50)
    # Refused: categories by statistics.
    pool = cb.Pool(frame, y, cat_features=["shop"])
    model = cb.CatBoostRegressor(iterations=3, depth=2, verbose=0, allow_writing_files=False,
                                 one_hot_max_size=2, random_seed=3).fit(pool)
    model.save_model(os.path.join(OUT, "refused-cat-ctr.json"), format="json", pool=pool)
    model.save_model(os.path.join(OUT, "refused-cat.cbm"))


if __name__ == "__main__":
    os.makedirs(OUT, exist_ok=True)
    if sys.argv[1] == "xgboost":
        make_xgboost(sys.argv[2] if len(sys.argv) > 2 else "")
    else:
        make_catboost()
