"""Ensembles of XGBoost, LightGBM and CatBoost in their own files, with their own predictions."""
import json
import tempfile

import numpy as np

from trees_kit import FLOAT32, FLOAT64, Output, edge_rows, quiet, table, to_single

RECIPES = {}


def recipe(name, function, *arguments, quick=False, **more):
    """A model that `make(folder, name)` makes when it is wanted."""
    assert name not in RECIPES, name
    RECIPES[name] = (lambda folder: function(folder, name, *arguments, quick=quick, **more), quick)


def target(data, kind):
    """What is learned: a word, or a word and a number of classes or columns."""
    word, _, number = kind.partition(":")
    if word == "classes":
        return data.classes(int(number))
    if word == "several":
        return np.stack([data.score * (1 + k) + data.x[:, k % data.x.shape[1]]
                         for k in range(int(number))], axis=1)
    if word == "unit":
        return 1 / (1 + np.exp(-data.score))
    if word == "rank":
        return data.classes(4)
    return getattr(data, word)


# XGBoost

def xgboost_thresholds(booster):
    """Of all features: the split conditions of the nodes that have children."""
    trees = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    found = {}
    for tree in trees.get("gbtree", trees)["model"]["trees"]:
        for feature, value, left in zip(tree["split_indices"], tree["split_conditions"],
                                        tree["left_children"]):
            if left >= 0:
                found.setdefault(feature, set()).add(value)
    return {feature: sorted(values) for feature, values in found.items()}


def xgboost_model(folder, name, params, rounds, kind="binary", suffix="ubj", quick=False,
                  weights=False, early=False, names=False, **shape):
    import xgboost
    data = table(len(name) * 131 + rounds, **shape)
    usual = {"nthread": 1, "seed": 1, "tree_method": "hist", "verbosity": 0}
    types = ["c" if c in data.categories else "q" for c in range(data.x.shape[1])]
    more = {"feature_types": types, "enable_categorical": True} if data.categories else {}
    if names:
        more["feature_names"] = [f"name {k} \u00e9" for k in range(data.x.shape[1])]
    if weights:
        more["weight"] = data.rng.random(len(data.x)) * 3
    matrix = xgboost.DMatrix(to_single(data.x), **more)
    if kind == "aft":
        times = data.positive * 10
        matrix.set_float_info("label_lower_bound", times)
        matrix.set_float_info("label_upper_bound",
                              np.where(data.rng.random(len(times)) < 0.3, np.inf, times))
    elif kind == "cox":
        matrix.set_label(np.where(data.rng.random(len(data.x)) < 0.3, -1, 1) * data.positive)
    else:
        matrix.set_label(target(data, kind))
    if kind == "rank":
        matrix.set_group([50] * (len(data.x) // 50))
    stop = {"evals": [(matrix.slice(range(300)) if early else matrix, "some")],
            "early_stopping_rounds": 3} if early else {}
    booster = xgboost.train(usual | params, matrix, rounds, verbose_eval=False, **stop)
    until = (0, 0)
    if early == "best":
        # scikit-learn's wrappers leave this note, and stop at the best iteration; `Booster.predict`
        # takes all trees.
        booster.set_attr(scikit_learn='{"_estimator_type": "classifier"}')
        until = (0, booster.best_iteration + 1)
    rows = edge_rows(data, xgboost_thresholds(booster), single=True)
    more = {"iteration_range": until, "validate_features": False}
    say = {"prediction": booster.inplace_predict(to_single(rows), **more),
           "raw": booster.inplace_predict(to_single(rows), predict_type="margin", **more)}
    folder.store(name, "xgboost", suffix, booster.save_model, rows,
                 [Output(role, values, FLOAT32) for role, values in say.items()], quick)


def logistic(**more):
    return {"objective": "binary:logistic", "max_depth": 6} | more


def xgb(name, params, rounds, *arguments, **more):
    recipe(f"xgb_{name}", xgboost_model, params, rounds, *arguments, **more)


def xgboost_recipes():
    xgb("binary_json", logistic(), 30, suffix="json", quick=True)
    xgb("binary_ubj", logistic(), 100)
    xgb("stumps", logistic(max_depth=1), 500, quick=True)
    xgb("depth3_1000", logistic(max_depth=3), 1000)
    xgb("depth2_2000", logistic(max_depth=2, eta=0.05), 2000)
    xgb("depth8_300", logistic(max_depth=8), 300)
    xgb("depth12", logistic(max_depth=12, min_child_weight=0), 20, rows=8000)
    xgb("depth16", logistic(max_depth=16, min_child_weight=0), 10, rows=20000)
    xgb("one_tree", logistic(max_depth=2), 1, suffix="json", quick=True)
    xgb("single_leaves", logistic(gamma=1e9), 4, suffix="json", quick=True)
    xgb("some_single_leaves", logistic(gamma=8, eta=0.9), 40, quick=True)
    xgb("features500", logistic(max_depth=5), 60, features=500)
    xgb("features1", logistic(max_depth=6), 50, features=1, quick=True)
    xgb("missing", logistic(), 60, missing=0.4, quick=True)
    xgb("zeros", logistic(), 40, zeros=0.6, suffix="json")
    xgb("denormals", logistic(), 40, scale=1e-40, suffix="json", quick=True)
    xgb("huge", logistic(), 40, scale=1e36)
    xgb("names", logistic(), 10, names=True, suffix="json", quick=True)
    xgb("weights", logistic(scale_pos_weight=5), 40, weights=True)
    xgb("base_score", logistic(base_score=0.3), 20, suffix="json")
    xgb("exact", logistic(tree_method="exact"), 30)
    xgb("approx", logistic(tree_method="approx"), 30)
    xgb("lossguide", logistic(grow_policy="lossguide", max_leaves=255, max_depth=0), 40)
    xgb("constraints", logistic(monotone_constraints="(1,-1)",
                                interaction_constraints="[[0,1],[2,3,4]]"), 20)
    xgb("forest", logistic(num_parallel_tree=8, subsample=0.6, eta=1), 3, quick=True)
    xgb("best_iteration", logistic(eta=0.8), 200, early="best", suffix="json", quick=True)
    xgb("all_iterations", logistic(eta=0.8), 200, early="all")
    xgb("softprob10", {"objective": "multi:softprob", "num_class": 10, "max_depth": 5}, 20,
        "classes:10", quick=True)
    xgb("softprob10_json", {"objective": "multi:softprob", "num_class": 10}, 10, "classes:10",
        suffix="json")
    xgb("softmax5", {"objective": "multi:softmax", "num_class": 5}, 20, "classes:5", quick=True)
    xgb("softprob_forest", {"objective": "multi:softprob", "num_class": 3, "subsample": 0.7,
                            "num_parallel_tree": 3}, 5, "classes:3")
    xgb("early_multi", {"objective": "multi:softprob", "num_class": 4, "eta": 0.9}, 100,
        "classes:4", early="best")
    for objective, kind in {
            "reg:squarederror": "score", "reg:squaredlogerror": "positive", "reg:logistic": "unit",
            "reg:pseudohubererror": "score", "reg:absoluteerror": "score", "reg:gamma": "positive",
            "reg:tweedie": "counts", "count:poisson": "counts", "binary:logitraw": "binary",
            "binary:hinge": "binary", "rank:pairwise": "rank", "rank:ndcg": "rank",
            "survival:aft": "aft", "survival:cox": "cox"}.items():
        xgb(objective.replace(":", "_"), {"objective": objective, "max_depth": 4}, 25, kind,
            suffix="json", quick=objective in ("reg:gamma", "binary:hinge", "survival:aft"))
    xgb("rank_map", {"objective": "rank:map", "max_depth": 4}, 20, "binary")
    xgb("quantile", {"objective": "reg:quantileerror", "quantile_alpha": 0.8}, 20, "score")
    xgb("quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, 20,
        "score")
    drop = {"booster": "dart", "rate_drop": 0.2, "skip_drop": 0.3}
    xgb("dart", logistic(**drop), 40, suffix="json", quick=True)
    xgb("dart_ubj", logistic(**drop, normalize_type="forest"), 40)
    xgb("dart_multi", {"objective": "multi:softprob", "num_class": 4, **drop}, 15, "classes:4")
    xgb("dart_reg", {"objective": "reg:squarederror", **drop}, 30, "score")
    xgb("targets", {"objective": "reg:squarederror"}, 20, "several:4", suffix="json")
    vector = {"multi_strategy": "multi_output_tree"}
    xgb("vector", {"objective": "reg:squarederror", **vector}, 20, "several:4", suffix="json",
        quick=True)
    xgb("vector_ubj", {"objective": "reg:squarederror", "max_depth": 9, **vector}, 20, "several:3")
    xgb("vector_multi", {"objective": "multi:softprob", "num_class": 6, **vector}, 20,
        "classes:6")
    some = {"categories": (0, 3), "levels": 30}
    xgb("categories", logistic(max_cat_to_onehot=1), 30, suffix="json", quick=True, **some)
    xgb("categories_ubj", logistic(max_cat_to_onehot=1), 30, missing=0.2, **some)
    xgb("one_hot", logistic(max_cat_to_onehot=100), 30, **some)
    xgb("categories200", logistic(max_cat_to_onehot=4), 30, categories=(1, 2, 5), levels=200)


# LightGBM

def lightgbm_thresholds(text):
    """Of the numerical splits in a model's text."""
    found = {}
    for block in text.split("\nTree=")[1:]:
        lines = dict(line.partition("=")[::2] for line in block.splitlines())
        if not lines.get("split_feature"):
            continue
        columns = [lines[key].split() for key in ("split_feature", "threshold", "decision_type")]
        for feature, value, decision in zip(*columns):
            if not int(decision) & 1:
                found.setdefault(int(feature), set()).add(float(value))
    return {feature: sorted(values) for feature, values in found.items()}


def lightgbm_model(folder, name, params, rounds, kind="binary", quick=False, weights=False,
                   early=False, data_params=None, **shape):
    import lightgbm
    data = table(len(name) * 137 + rounds, **shape)
    usual = {"num_threads": 1, "seed": 1, "verbosity": -1, "deterministic": True,
             "force_col_wise": True}
    more = {"categorical_feature": list(data.categories)} if data.categories else {}
    if weights:
        more["weight"] = data.rng.random(len(data.x)) * 3
    if kind == "rank":
        more["group"] = [50] * (len(data.x) // 50)
    everything = usual | params
    train = lightgbm.Dataset(data.x, target(data, kind), params=everything, **more)
    stop = {"valid_sets": [train],
            "callbacks": [lightgbm.early_stopping(2, verbose=False)]} if early else {}
    booster = lightgbm.train(everything, train, rounds, **stop)
    text = booster.model_to_string()
    rows = edge_rows(data, lightgbm_thresholds(text), single=False)
    say = {"prediction": booster.predict(rows, num_threads=1),
           "raw": booster.predict(rows, raw_score=True, num_threads=1)}
    folder.store(name, "lightgbm", "txt", text.encode(), rows,
                 [Output(role, values, FLOAT64) for role, values in say.items()], quick)


def lgb(name, params, rounds, *arguments, **more):
    recipe(f"lgb_{name}", lightgbm_model, {"objective": "binary"} | params, rounds, *arguments,
           **more)


def lightgbm_recipes():
    lgb("binary", {}, 60, quick=True)
    lgb("leaves31_500", {"num_leaves": 31}, 500)
    lgb("leaves255", {"num_leaves": 255, "min_data_in_leaf": 5}, 60, rows=8000)
    lgb("leafwise_deep", {"num_leaves": 2000, "min_data_in_leaf": 1, "max_depth": -1}, 6,
        rows=20000)
    lgb("depth16", {"num_leaves": 600, "max_depth": 16, "min_data_in_leaf": 1}, 10)
    lgb("stumps", {"num_leaves": 2}, 500, quick=True)
    lgb("leaves4_2000", {"num_leaves": 4, "learning_rate": 0.02}, 2000)
    lgb("single_leaves", {"min_data_in_leaf": 10 ** 6}, 3, quick=True)
    lgb("features1", {}, 40, features=1, quick=True)
    lgb("features500", {"num_leaves": 15}, 50, features=500)
    lgb("missing", {}, 40, missing=0.4, quick=True)
    lgb("missing_zero", {"zero_as_missing": True}, 40, missing=0.1, zeros=0.4, quick=True)
    lgb("missing_none", {"use_missing": False}, 40, missing=0.2, quick=True)
    lgb("zeros", {}, 40, zeros=0.6)
    lgb("tiny", {}, 40, scale=1e-33)
    lgb("near_zero", {}, 40, scale=1e-34, zeros=0.2, quick=True)
    lgb("huge", {}, 40, scale=1e36)
    lgb("weights", {"scale_pos_weight": 4}, 40, weights=True)
    lgb("sigmoid", {"sigmoid": 2.5}, 30)
    lgb("no_average_start", {"boost_from_average": False}, 30)
    lgb("best_iteration", {"learning_rate": 0.9}, 300, early=True)
    lgb("dart", {"boosting": "dart"}, 40, quick=True)
    lgb("goss", {"data_sample_strategy": "goss"}, 40)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    lgb("rf", forest, 40, quick=True)
    lgb("rf_multi", {"objective": "multiclass", "num_class": 4, **forest}, 20, "classes:4")
    lgb("rf_reg", {"objective": "regression", **forest}, 30, "score")
    lgb("multi", {"objective": "multiclass", "num_class": 5}, 20, "classes:5", quick=True)
    lgb("multi10_100", {"objective": "multiclass", "num_class": 10}, 100, "classes:10")
    lgb("one_vs_all", {"objective": "multiclassova", "num_class": 4}, 20, "classes:4", quick=True)
    for objective, kind in {
            "regression": "score", "regression_l1": "score", "huber": "score", "fair": "score",
            "poisson": "counts", "quantile": "score", "mape": "positive", "gamma": "positive",
            "tweedie": "counts", "cross_entropy": "unit", "cross_entropy_lambda": "unit",
            "lambdarank": "rank", "rank_xendcg": "rank"}.items():
        lgb(objective, {"objective": objective}, 25, kind,
            quick=objective in ("poisson", "cross_entropy_lambda"))
    lgb("sqrt", {"objective": "regression", "reg_sqrt": True}, 30, "positive", quick=True)
    linear = {"objective": "regression", "linear_tree": True}
    lgb("linear", {**linear, "linear_lambda": 0.01}, 25, "score", quick=True)
    lgb("linear_missing", {**linear, "linear_lambda": 0.1}, 25, "score", missing=0.2)
    lgb("linear_binary", {"linear_tree": True}, 20)
    some = {"categories": (0, 3), "levels": 30}
    lgb("categories", {"min_data_per_group": 10}, 40, quick=True, **some)
    lgb("categories_missing", {"min_data_per_group": 10}, 40, missing=0.2, **some)
    lgb("categories_one_hot", {"max_cat_to_onehot": 100}, 40, **some)
    lgb("categories500", {"min_data_per_group": 5, "cat_smooth": 1}, 40, categories=(1, 2, 5),
        levels=500, rows=8000)
    lgb("categories_zero_missing", {"min_data_per_group": 10, "zero_as_missing": True}, 30, **some)


# CatBoost

def catboost_thresholds(file):
    features = json.loads(file.read())["features_info"]["float_features"]
    return {one["flat_feature_index"]: [float(b) for b in one["borders"] or []]
            for one in features}


def catboost_model(folder, name, params, rounds, kind="binary", quick=False, weights=False,
                   onnx=True, **shape):
    """Both exports of one model: NAME_json, compared with CatBoost's own predictions, and
    NAME_onnx, compared with ONNX Runtime's."""
    import catboost
    from trees_onnx import store_onnx
    data = table(len(name) * 139 + rounds, **shape)
    y = target(data, kind)
    classifies = kind.split(":")[0] in ("binary", "classes")
    make = catboost.CatBoostClassifier if classifies else catboost.CatBoostRegressor
    usual = {"iterations": rounds, "thread_count": 1, "random_seed": 1, "verbose": 0,
             "allow_writing_files": False}
    some = data.rng.random(len(data.x)) * 3 if weights else None
    model = make(**usual | params).fit(data.x, y, sample_weight=some)
    with tempfile.NamedTemporaryFile(suffix=".json") as file, quiet():
        model.save_model(file.name, format="json")
        thresholds = catboost_thresholds(file)
    rows = edge_rows(data, thresholds, single=True)
    kinds = {"raw": "RawFormulaVal"}
    if classifies:
        kinds |= {"probabilities": "Probability", "label": "Class"}
    elif params.get("loss_function") in ("Poisson", "Tweedie"):
        kinds["prediction"] = "Exponent"
    # Through float32, which the model compares.
    say = {role: np.asarray(model.predict(to_single(rows), prediction_type=word, thread_count=1))
           for role, word in kinds.items()}
    outputs = [Output(role, values.reshape(len(rows), -1), {} if role == "label" else FLOAT64)
               for role, values in say.items()]
    folder.store(f"{name}_json", "catboost", "json",
                 lambda path: model.save_model(path, format="json"), rows, outputs, quick)
    if onnx:
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file, quiet():
            model.save_model(file.name, format="onnx")
            store_onnx(folder, f"{name}_onnx", file.read(), rows, quick)


def cat(name, params, rounds, *arguments, **more):
    recipe(f"cat_{name}", catboost_model, params, rounds, *arguments, **more)


def catboost_recipes():
    cat("binary", {"depth": 6}, 60, quick=True)
    cat("depth1", {"depth": 1}, 300)
    cat("depth10", {"depth": 10}, 20)
    cat("depth16", {"depth": 16}, 2, rows=1500)
    cat("depth4_2000", {"depth": 4, "learning_rate": 0.02}, 2000, rows=1500)
    cat("one_tree", {"depth": 2}, 1, quick=True)
    cat("features1", {"depth": 4}, 30, features=1)
    cat("features500", {"depth": 5}, 30, features=500, rows=1500)
    cat("missing_min", {"depth": 6, "nan_mode": "Min"}, 30, missing=0.3, quick=True)
    cat("missing_max", {"depth": 6, "nan_mode": "Max"}, 30, missing=0.3)
    cat("weights", {"depth": 5}, 30, weights=True)
    cat("multi", {"depth": 5, "loss_function": "MultiClass"}, 20, "classes:5", quick=True)
    cat("one_vs_all", {"depth": 5, "loss_function": "MultiClassOneVsAll"}, 20, "classes:4")
    cat("regression", {"depth": 6}, 40, "score", quick=True)
    cat("poisson", {"depth": 5, "loss_function": "Poisson"}, 30, "counts")
    cat("quantile", {"depth": 5, "loss_function": "Quantile:alpha=0.7"}, 30, "score")
    cat("several", {"depth": 5, "loss_function": "MultiRMSE"}, 20, "several:3", onnx=False)
    cat("lossguide", {"grow_policy": "Lossguide", "max_leaves": 40}, 20, onnx=False)
    cat("depthwise", {"grow_policy": "Depthwise", "depth": 7}, 20, onnx=False)
