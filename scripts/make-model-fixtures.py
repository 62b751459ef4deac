#!/usr/bin/env python3
"""Makes the ONNX fixtures of Tests/Fixtures/onnx: small models, rows to feed, and what the library
that trained each model predicts for them.

usage: make-model-fixtures.py [OUTDIR]      in the Python of scripts/dev-requirements.txt

NAME.onnx is the model. NAME.json holds kind, tolerance, fixedBatch, inputs and outputs; all values
are strings, so that 64-bit integers, NaN and infinities survive. An output's values come from the
library that trained the model, never from ONNX Runtime. manifest.json lists the names. Models that
must be refused lie in refused/, those that cost too much in hostile/; Tests/MillraceONNXTests and
CommandTests say why.
"""
import json
import os
import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper
from sklearn import (calibration, cluster, datasets, decomposition, discriminant_analysis, ensemble,
                     feature_selection, linear_model, mixture, multiclass,
                     naive_bayes, neighbors, neural_network, preprocessing, svm, tree)
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

warnings.filterwarnings("ignore")
OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                   else pathlib.Path(__file__).parent.parent / "Tests/Fixtures/onnx")
ROWS = 20
OPSET = 17
names = []


def text(value):
    if isinstance(value, (str, np.str_)):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return repr(float(value))


def type_name(array):
    return "string" if array.dtype.kind in "UO" else str(array.dtype)


def column(name, array, **more):
    array = np.asarray(array)
    return {"name": name, "type": type_name(array), "rowShape": list(array.shape[1:]), **more,
            "values": [text(v) for v in array.reshape(-1)]}


def store(name, kind, model, inputs, outputs, tolerance=1e-5, fixed_batch=None):
    """inputs: {name: array}; outputs: {name: array or (array, class labels)}."""
    model.producer_version = ""
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    out = []
    for output, value in outputs.items():
        array, labels = value if isinstance(value, tuple) else (value, None)
        more = {} if labels is None else {"labels": [text(v) for v in labels]}
        out.append(column(output, array, **more))
    fixture = {"kind": kind, "tolerance": tolerance, "fixedBatch": fixed_batch,
               "rows": len(next(iter(inputs.values()))),
               "inputs": [column(n, a) for n, a in inputs.items()], "outputs": out}
    (OUT / f"{name}.json").write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
    names.append(name)


def data(which, features=None):
    X, y = getattr(datasets, f"load_{which}")(return_X_y=True)
    X = X.astype(np.float32)
    if features:
        X = np.ascontiguousarray(X[:, :features])
    some = np.random.default_rng(11).permutation(len(X))[:ROWS]
    return X, y, X[some]


# ---- scikit-learn ----------------------------------------------------------------------------

def classifier(name, model, source="breast_cancer", features=8, labels=None, zipmap=False,
               scores="predict_proba", tolerance=1e-5):
    X, y, rows = data(source, features)
    if labels:
        y = np.array(labels)[y]
    model.fit(X, y)
    options = {id(model): {"zipmap": zipmap}}
    if scores == "decision_function":
        options = {id(model[-1]): {"raw_scores": True}}
    proto = to_onnx(model, X[:1], options=options, target_opset=OPSET, name=name)
    score = getattr(model, scores)(rows).astype(np.float32)
    if score.ndim == 1:  # one decision value becomes one for each class
        score = np.stack([-score, score], axis=1)
    label, scored = [o.name for o in proto.graph.output]
    score = getattr(model, scores)(rows).astype(np.float32)
    if score.ndim == 1:  # one decision value becomes one for each class
        score = np.stack([-score, score], axis=1)
    expected = {label: model.predict(rows), scored: (score, model.classes_)}
    if name == "qda":  # skl2onnx 1.20 gives its labels the shape [1,N]
        del expected[label]
    store(name, type(model).__name__, proto, {"X": rows}, expected, tolerance)


def classifiers():
    scaled = preprocessing.StandardScaler
    words = ["benign", "malignant"]
    wine = ["cheap", "middling", "gr\u00e4nd cru"]
    logistic = lambda: linear_model.LogisticRegression(max_iter=3000)
    classifier("logistic_binary", logistic())
    classifier("logistic_multi", logistic(), "iris", None)
    classifier("logistic_string_labels", logistic(), labels=words)
    classifier("logistic_zipmap_int", logistic(), "iris", None, zipmap=True)
    classifier("logistic_zipmap_string", logistic(), "wine", labels=wine, zipmap=True)
    classifier("forest_binary", ensemble.RandomForestClassifier(10, max_depth=5, random_state=1))
    classifier("forest_multi_strings", ensemble.RandomForestClassifier(8, random_state=1), "wine",
               labels=wine)
    classifier("forest_zipmap", ensemble.RandomForestClassifier(5, max_depth=4, random_state=1),
               "wine", zipmap=True)
    classifier("extra_trees", ensemble.ExtraTreesClassifier(8, max_depth=5, random_state=1))
    classifier("boosting_binary", ensemble.GradientBoostingClassifier(n_estimators=20,
                                                                      random_state=1))
    classifier("boosting_multi", ensemble.GradientBoostingClassifier(n_estimators=10,
                                                                     random_state=1), "iris", None)
    classifier("adaboost", ensemble.AdaBoostClassifier(n_estimators=10, random_state=1),
               tolerance=1e-4)
    classifier("bagging", ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=4),
                                                     n_estimators=5, random_state=1))
    classifier("decision_tree", tree.DecisionTreeClassifier(max_depth=5, random_state=1))
    classifier("svc_rbf", make_pipeline(scaled(), svm.SVC(probability=True, random_state=1)),
               "iris", None, tolerance=1e-4)
    classifier("svc_linear", svm.SVC(kernel="linear", probability=True, random_state=1), "iris",
               None, tolerance=1e-4)
    classifier("nu_svc", svm.NuSVC(probability=True, random_state=1), "iris", None, tolerance=1e-4)
    classifier("linear_svc", make_pipeline(scaled(), svm.LinearSVC(random_state=1)), "wine",
               scores="decision_function")
    classifier("sgd", make_pipeline(scaled(), linear_model.SGDClassifier(loss="log_loss",
                                                                         random_state=1)))
    classifier("mlp_binary", make_pipeline(scaled(), neural_network.MLPClassifier(
        (16, 8), max_iter=200, random_state=1)))
    classifier("mlp_multi", make_pipeline(scaled(), neural_network.MLPClassifier(
        (12,), max_iter=200, random_state=1)), "wine", labels=wine)
    classifier("knn", neighbors.KNeighborsClassifier(5), "iris", None)
    classifier("gaussian_nb", naive_bayes.GaussianNB(), "iris", None, tolerance=1e-4)
    classifier("bernoulli_nb", naive_bayes.BernoulliNB(binarize=0.2), "iris", None)
    classifier("multinomial_nb", naive_bayes.MultinomialNB(), "wine", tolerance=1e-4)
    classifier("lda", discriminant_analysis.LinearDiscriminantAnalysis(), "iris", None,
               tolerance=1e-4)
    classifier("qda", discriminant_analysis.QuadraticDiscriminantAnalysis(), "iris", None,
               tolerance=1e-3)
    classifier("voting", ensemble.VotingClassifier(
        [("a", logistic()), ("b", tree.DecisionTreeClassifier(max_depth=3, random_state=1))],
        voting="soft", flatten_transform=False), "iris", None)
    classifier("stacking", ensemble.StackingClassifier(
        [("a", tree.DecisionTreeClassifier(max_depth=3, random_state=1)),
         ("b", naive_bayes.GaussianNB())], logistic()), "iris", None, tolerance=1e-4)
    classifier("calibrated", calibration.CalibratedClassifierCV(
        tree.DecisionTreeClassifier(max_depth=3, random_state=1), cv=3), "iris", None)
    classifier("one_vs_rest", multiclass.OneVsRestClassifier(logistic()), "iris", None)
    classifier("pca_pipeline", make_pipeline(scaled(), decomposition.PCA(3, random_state=1),
                                             logistic()), "wine")
    classifier("select_k_best", make_pipeline(preprocessing.MinMaxScaler(),
                                              feature_selection.SelectKBest(k=4), logistic()))
    classifier("digits_forest", ensemble.RandomForestClassifier(4, max_depth=6, random_state=1),
               "digits", None)


def zipmap_variants():
    X, y, rows = data("iris")
    model = linear_model.LogisticRegression(max_iter=3000).fit(X, y)
    score = model.predict_proba(rows).astype(np.float32)
    label = model.predict(rows)
    proto = to_onnx(model, X[:1], options={id(model): {"zipmap": True}}, target_opset=OPSET,
                    name="zipmap_and_scores")
    scores = next(n.input[0] for n in proto.graph.node if n.op_type == "ZipMap")
    proto.graph.output.append(h.make_tensor_value_info(scores, T.FLOAT, [None, 3]))
    store("zipmap_and_scores", "ZipMap and the scores beside it", proto, {"X": rows},
          {"output_label": label, scores: (score, model.classes_),
           "output_probability": (score, model.classes_)})
    proto = to_onnx(model, X[:1], options={id(model): {"zipmap": "columns"}}, target_opset=OPSET,
                    name="zipmap_columns")
    names = [o.name for o in proto.graph.output]
    store("zipmap_columns", "One output for each class", proto, {"X": rows},
          {names[0]: label, **{n: score[:, i] for i, n in enumerate(names[1:])}})


def regressor(name, model, source="diabetes", targets=None, tolerance=1e-5):
    X, y, rows = data(source)
    if targets:
        y = np.stack([y * (i + 1) + X[:, i] for i in range(targets)], axis=1)
    model.fit(X, y)
    proto = to_onnx(model, X[:1], target_opset=OPSET, name=name)
    store(name, type(model).__name__, proto, {"X": rows},
          {proto.graph.output[0].name: model.predict(rows).astype(np.float32).reshape(ROWS, -1)},
          tolerance)


def regressors():
    regressor("linear_multi_output", linear_model.LinearRegression(), targets=3)
    regressor("ridge", linear_model.Ridge())
    regressor("lasso", linear_model.Lasso(alpha=0.1))
    regressor("elastic_net", linear_model.ElasticNet(alpha=0.1))
    regressor("bayesian_ridge", linear_model.BayesianRidge())
    regressor("svr", svm.SVR(C=10))
    regressor("forest_regressor", ensemble.RandomForestRegressor(6, max_depth=5, random_state=1))
    regressor("boosting_regressor", ensemble.GradientBoostingRegressor(n_estimators=15,
                                                                       random_state=1))
    regressor("tree_regressor", tree.DecisionTreeRegressor(max_depth=5, random_state=1))
    regressor("mlp_regressor", neural_network.MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=300, random_state=1))
    regressor("knn_regressor", neighbors.KNeighborsRegressor(3))
    regressor("polynomial_ridge", make_pipeline(preprocessing.PolynomialFeatures(2),
                                                linear_model.Ridge()))


def others():
    X, _, rows = data("iris")
    for name, model in [("kmeans", cluster.KMeans(4, n_init=1, random_state=1)),
                        ("mini_batch_kmeans", cluster.MiniBatchKMeans(3, n_init=1,
                                                                      random_state=1))]:
        model.fit(X)
        store(name, type(model).__name__, to_onnx(model, X[:1], target_opset=OPSET, name=name),
              {"X": rows}, {"label": model.predict(rows).astype(np.int64),
                            "scores": model.transform(rows).astype(np.float32)}, 1e-4)
    for name, model in [("isolation_forest", ensemble.IsolationForest(n_estimators=8,
                                                                      random_state=1)),
                        ("one_class_svm", svm.OneClassSVM(nu=0.1))]:
        model.fit(X)
        proto = to_onnx(model, X[:1], name=name, target_opset={"": OPSET, "ai.onnx.ml": 3})
        store(name, type(model).__name__, proto, {"X": rows},
              {"label": model.predict(rows).reshape(-1, 1).astype(np.int64), "scores":
               model.decision_function(rows).reshape(-1, 1).astype(np.float32)}, 1e-4)
    for name, model in [("pca", decomposition.PCA(2)), ("truncated_svd",
                        decomposition.TruncatedSVD(2, random_state=1)),
                        ("robust_scaler", preprocessing.RobustScaler())]:
        model.fit(X)
        proto = to_onnx(model, X[:1], target_opset=OPSET, name=name)
        store(name, type(model).__name__, proto, {"X": rows},
              {proto.graph.output[0].name: model.transform(rows).astype(np.float32)}, 1e-4)
    model = mixture.GaussianMixture(3, random_state=1).fit(X)
    store("gaussian_mixture", "GaussianMixture", to_onnx(
        model, X[:1], options={id(model): {"score_samples": False}}, target_opset=OPSET,
        name="gaussian_mixture"), {"X": rows},
        {"label": model.predict(rows).astype(np.int64).reshape(-1, 1),
         "probabilities": model.predict_proba(rows).astype(np.float32)}, 1e-3)


def string_pipelines():
    random = np.random.default_rng(5)
    n = 300
    country = random.choice(["DE", "FR", "\u00d6sterreich", "US"], n)
    device = random.choice(["phone", "desk top", "tv"], n)
    amount = np.round(random.gamma(2, 50, n), 2).astype(np.float32)
    age = random.integers(18, 90, n).astype(np.float32)
    y = (amount + 40 * (country == "US") + age > 170).astype(int)
    frame = np.empty((n, 4), dtype=object)
    frame[:, 0], frame[:, 1], frame[:, 2], frame[:, 3] = country, device, amount, age
    types = [("country", StringTensorType([None, 1])), ("device", StringTensorType([None, 1])),
             ("amount", FloatTensorType([None, 1])), ("age", FloatTensorType([None, 1]))]
    some = frame[:ROWS]
    inputs = {"country": some[:, :1].astype(str), "device": some[:, 1:2].astype(str),
              "amount": some[:, 2:3].astype(np.float32), "age": some[:, 3:4].astype(np.float32)}
    for name, encoder, last, labels in [
            ("strings_one_hot", preprocessing.OneHotEncoder(handle_unknown="ignore"),
             linear_model.LogisticRegression(max_iter=2000), None),
            ("strings_ordinal", preprocessing.OrdinalEncoder(dtype=np.float32),
             ensemble.RandomForestClassifier(5, max_depth=5, random_state=1), ["no", "yes"]),
            ("strings_zipmap", preprocessing.OneHotEncoder(handle_unknown="error"),
             ensemble.GradientBoostingClassifier(n_estimators=8, random_state=1), ["no", "yes"])]:
        target = np.array(labels)[y] if labels else y
        model = make_pipeline(ColumnTransformer([
            ("texts", encoder, [0, 1]), ("numbers", preprocessing.StandardScaler(), [2, 3])],
            sparse_threshold=0), last).fit(frame, target)
        proto = to_onnx(model, initial_types=types, target_opset=OPSET, name=name,
                        options={id(model): {"zipmap": name.endswith("zipmap")}})
        outputs = [o.name for o in proto.graph.output]
        score = model.predict_proba(some).astype(np.float32)
        store(name, "Pipeline of strings", proto, inputs,
              {outputs[0]: model.predict(some), outputs[1]: (score, model.classes_)}, 1e-4)
    # Lower-casing would need the locale en_US.UTF-8 on the machine that loads the model.
    words = ["good", "bad", "fine", "poor", "service", "food", "very", "not", "slow", "quick"]
    texts = np.array([" ".join(random.choice(words, 6)) for _ in range(200)])
    y = np.array(["good" in t or "quick" in t for t in texts]).astype(int)
    for name, vectorizer in [
            ("tfidf_text", TfidfVectorizer(lowercase=False)),
            ("count_text", CountVectorizer(lowercase=False))]:
        model = make_pipeline(vectorizer, linear_model.LogisticRegression()).fit(texts, y)
        proto = to_onnx(model, initial_types=[("text", StringTensorType([None]))], name=name,
                        target_opset=OPSET, options={id(model): {"zipmap": False}})
        some = texts[:ROWS]
        score = model.predict_proba(some).astype(np.float32)
        store(name, type(vectorizer).__name__, proto, {"text": some},
              {"label": model.predict(some), "probabilities": (score, model.classes_)}, 1e-4)


# ---- XGBoost and LightGBM --------------------------------------------------------------------

def boosters():
    import lightgbm
    import xgboost
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    quiet = {"n_estimators": 12, "max_depth": 4, "random_state": 1}
    for library, convert, make, more in [
            ("xgboost", convert_xgboost, "XGB", {}),
            ("lightgbm", convert_lightgbm, "LGBM", {"zipmap": False})]:
        module = xgboost if library == "xgboost" else lightgbm
        arguments = dict(quiet, verbose=-1) if library == "lightgbm" else quiet
        for suffix, source, kind in [("binary", "breast_cancer", "Classifier"),
                                     ("multi", "iris", "Classifier"),
                                     ("regressor", "diabetes", "Regressor")]:
            X, y, rows = data(source)
            model = getattr(module, make + kind)(**arguments).fit(X, y)
            proto = convert(model, initial_types=[("features", Floats([None, X.shape[1]]))],
                            target_opset=15, **more)
            proto.graph.name = f"{library}_{suffix}"
            out = [o.name for o in proto.graph.output]
            if kind == "Classifier":
                expected = {out[0]: model.predict(rows).astype(np.int64),
                            out[1]: (model.predict_proba(rows).astype(np.float32), model.classes_)}
            else:
                expected = {out[0]: model.predict(rows).astype(np.float32).reshape(-1, 1)}
            store(f"{library}_{suffix}", make + kind, proto, {"features": rows}, expected)
    X, y, rows = data("iris")
    model = lightgbm.LGBMClassifier(**dict(quiet, verbose=-1)).fit(X, y)
    proto = convert_lightgbm(model, initial_types=[("features", Floats([None, 4]))],
                             target_opset=15)
    proto.graph.name = "lightgbm_zipmap"
    out = [o.name for o in proto.graph.output]
    store("lightgbm_zipmap", "LGBMClassifier", proto, {"features": rows},
          {out[0]: model.predict(rows).astype(np.int64),
           out[1]: (model.predict_proba(rows).astype(np.float32), model.classes_)})


# ---- made by hand ----------------------------------------------------------------------------

ELEMENT_TYPES = {"float32": T.FLOAT, "float64": T.DOUBLE, "int8": T.INT8, "int16": T.INT16,
                 "int32": T.INT32, "int64": T.INT64, "uint8": T.UINT8, "uint16": T.UINT16,
                 "uint32": T.UINT32, "uint64": T.UINT64, "bool": T.BOOL, "string": T.STRING}


def graph(name, nodes, inputs, outputs, initializers=(), opsets=(("", OPSET),)):
    """inputs, outputs: (name, element type, shape)."""
    made = h.make_graph(nodes, name, [h.make_tensor_value_info(*i) for i in inputs],
                        [h.make_tensor_value_info(*o) for o in outputs], list(initializers))
    return h.make_model(made, ir_version=8, opset_imports=[h.make_opsetid(*o) for o in opsets])


def element_types():
    random = np.random.default_rng(3)
    for name, element in ELEMENT_TYPES.items():
        if name == "string":
            values = np.array(["", "a\0b", "\u00fcber", "x" * 300, "\U0001f600"] * 2)
        elif name == "bool":
            values = random.integers(0, 2, 10).astype(bool)
        elif name.startswith("float"):
            values = np.array([0, -0.0, 1.5, np.nan, np.inf, -np.inf, 1e-30, 3e38, 0.1, -7],
                              dtype=name)
        else:
            limits = np.iinfo(name)
            values = np.array([limits.min, limits.max, 0, 1, 7, 100, 3, 2, 9, 11], dtype=name)
        values = values.reshape(5, 2)
        store(f"identity_{name}", f"Identity of {name}",
              graph(f"identity_{name}", [h.make_node("Identity", ["x"], ["y"])],
                    [("x", element, ["N", 2])], [("y", element, ["N", 2])]),
              {"x": values}, {"y": values})


def mixed_inputs():
    random = np.random.default_rng(4)
    a = random.normal(size=(ROWS, 1)).astype(np.float32)
    b = random.integers(-9, 9, ROWS)
    c = random.integers(0, 2, (ROWS, 3)).astype(bool)
    d = random.normal(size=ROWS)
    nodes = [h.make_node("Cast", ["b"], ["b32"], to=T.FLOAT),
             h.make_node("Cast", ["d"], ["d32"], to=T.FLOAT),
             h.make_node("Unsqueeze", ["b32", "one"], ["b2"]),
             h.make_node("Unsqueeze", ["d32", "one"], ["d2"]),
             h.make_node("Cast", ["c"], ["c32"], to=T.FLOAT),
             h.make_node("Concat", ["a", "b2", "c32", "d2"], ["row"], axis=1),
             h.make_node("ReduceSum", ["row", "one"], ["sum"], keepdims=0)]
    row = np.concatenate([a, b.reshape(-1, 1), c, d.reshape(-1, 1).astype(np.float32)],
                         axis=1).astype(np.float32)
    store("mixed_named_inputs", "Concat of four types", graph(
        "mixed_named_inputs", nodes, [("a", T.FLOAT, ["N", 1]), ("b", T.INT64, ["N"]),
                                      ("c", T.BOOL, ["N", 3]), ("d", T.DOUBLE, [None])],
        [("sum", T.FLOAT, ["N"]), ("row", T.FLOAT, ["N", None])],
        [numpy_helper.from_array(np.array([1]), "one")]),
        {"a": a, "b": b, "c": c, "d": d}, {"sum": row.sum(axis=1), "row": row})
    cube = random.normal(size=(ROWS, 2, 3)).astype(np.float32)
    store("cube_input", "ReduceMax over [N,2,3]", graph(
        "cube_input", [h.make_node("ReduceMax", ["x"], ["y"], axes=[2], keepdims=0)],
        [("x", T.FLOAT, ["N", 2, 3])], [("y", T.FLOAT, ["N", 2])]),
        {"x": cube}, {"y": cube.max(axis=2)})
    for batch in (1, 4):
        x = random.normal(size=(ROWS - 1, 3)).astype(np.float32)
        words = random.choice(["p", "qq", ""], ROWS - 1)
        store(f"fixed_batch_{batch}", f"Add with [{batch},3]", graph(
            f"fixed_batch_{batch}", [h.make_node("Add", ["x", "w"], ["y"]),
                                     h.make_node("Identity", ["s"], ["t"])],
            [("x", T.FLOAT, [batch, 3]), ("s", T.STRING, [batch])],
            [("y", T.FLOAT, [batch, 3]), ("t", T.STRING, [batch])],
            [numpy_helper.from_array(np.array([1, 2, 3], dtype=np.float32), "w")]),
            {"x": x, "s": words}, {"y": x + np.array([1, 2, 3], dtype=np.float32), "t": words},
            fixed_batch=batch)


def scaled_integers():
    """Operators whose shapes the standard does not infer, in front of a layer of a network."""
    random = np.random.default_rng(8)
    x = random.integers(-5, 5, (ROWS, 3))
    weights = random.normal(size=(3, 4)).astype(np.float32)
    bias = random.normal(size=4).astype(np.float32)
    ml = "ai.onnx.ml"
    nodes = [h.make_node("Imputer", ["x"], ["imputed"], domain=ml,
                         imputed_value_int64s=[7, 8, 9], replaced_value_int64=-5),
             h.make_node("Scaler", ["imputed"], ["scaled"], domain=ml,
                         offset=[1.0, 2.0, 3.0], scale=[0.5, 0.25, 2.0]),
             h.make_node("Normalizer", ["scaled"], ["normal"], domain=ml, norm="L1"),
             h.make_node("MatMul", ["normal", "weights"], ["product"]),
             h.make_node("Add", ["product", "bias"], ["sum"]), h.make_node("Relu", ["sum"], ["y"])]
    imputed = np.where(x == -5, np.array([7, 8, 9]), x)
    scaled = (imputed - np.array([1, 2, 3])) * np.array([0.5, 0.25, 2])
    normal = scaled / np.maximum(np.abs(scaled).sum(axis=1, keepdims=True), 1e-12)
    store("scaled_integers", "Imputer, Scaler, Normalizer and a layer", graph(
        "scaled_integers", nodes, [("x", T.INT64, ["N", 3])], [("y", T.FLOAT, ["N", 4])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
        opsets=(("", OPSET), (ml, 3))),
        {"x": x}, {"y": np.maximum(normal @ weights + bias, 0).astype(np.float32)})


def partly_asked_for():
    """Models of which the fixture asks for some outputs only: the nodes of the others are not to
    run, and what the branches of an If read from outside has to stay."""
    random = np.random.default_rng(7)
    x = random.normal(size=(ROWS, 2)).astype(np.float32)
    pick = np.full(ROWS, 9)  # outside of the table: the node that gives `broken` fails
    store("failing_other_output", "Neg beside a failing Gather", graph(
        "failing_other_output", [h.make_node("Neg", ["x"], ["y"]),
                                 h.make_node("Gather", ["table", "pick"], ["broken"])],
        [("x", T.FLOAT, ["N", 2]), ("pick", T.INT64, ["N"])],
        [("y", T.FLOAT, ["N", 2]), ("broken", T.FLOAT, ["N"])],
        [numpy_helper.from_array(np.array([1, 2], dtype=np.float32), "table")]),
        {"x": x, "pick": pick}, {"y": -x})

    def branch(name, operation):
        return h.make_graph([h.make_node(operation, ["doubled", "x"], [f"{name}_y"])], name, [],
                            [h.make_tensor_value_info(f"{name}_y", T.FLOAT, ["N", 2])])
    nodes = [h.make_node("Add", ["x", "x"], ["doubled"]),
             h.make_node("Equal", ["x", "x"], ["same"]),
             h.make_node("Cast", ["same"], ["numbers"], to=T.INT32),
             h.make_node("ReduceMin", ["numbers"], ["all"], keepdims=0),
             h.make_node("Cast", ["all"], ["are_numbers"], to=T.BOOL),
             h.make_node("If", ["are_numbers"], ["y"], then_branch=branch("then", "Mul"),
                         else_branch=branch("else", "Sub")),
             h.make_node("Neg", ["x"], ["unasked"])]
    store("if_reads_outer_tensor", "If whose branches read a tensor of the main graph", graph(
        "if_reads_outer_tensor", nodes, [("x", T.FLOAT, ["N", 2])],
        [("unasked", T.FLOAT, ["N", 2]), ("y", T.FLOAT, ["N", 2])]),
        {"x": x}, {"y": 2 * x * x})


def scale_by_external_weights(location):
    """y = x * w with w in another file; the file itself is not written."""
    model = graph("external", [h.make_node("Mul", ["x", "w"], ["y"])],
                  [("x", T.FLOAT, ["N", 2])], [("y", T.FLOAT, ["N", 2])],
                  [numpy_helper.from_array(np.array([2, 3], dtype=np.float32), "w")])
    weights = model.graph.initializer[0]
    raw = weights.raw_data
    weights.ClearField("raw_data")
    weights.data_location = T.EXTERNAL
    for key, value in [("location", location), ("offset", "0"), ("length", str(len(raw)))]:
        weights.external_data.add(key=key, value=value)
    return model, raw


def external_data():
    model, raw = scale_by_external_weights("weights/external.bin")
    (OUT / "weights").mkdir()
    (OUT / "weights" / "external.bin").write_bytes(raw)
    x = np.random.default_rng(6).normal(size=(ROWS, 2)).astype(np.float32)
    store("external_data", "Mul by external data", model, {"x": x},
          {"y": x * np.array([2, 3], dtype=np.float32)})


def refused():
    folder = OUT / "refused"
    for name, location in [("external_outside", "../logistic_binary.onnx"),
                           ("external_absolute", "/etc/hostname"),
                           ("external_dots_inside", "a/../../logistic_binary.onnx"),
                           ("external_missing", "no-such-file.bin")]:
        model, _ = scale_by_external_weights(location)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    value = [("x", T.FLOAT, ["N", 2])], [("y", T.FLOAT, ["N", 2])]
    made = {"unknown_operator": graph("unknown", [h.make_node("Frobnicate", ["x"], ["y"])], *value),
            "unknown_domain": graph("domain", [h.make_node("Foo", ["x"], ["y"],
                                                           domain="com.example")], *value,
                                    opsets=(("", OPSET), ("com.example", 1))),
            "float16_input": graph("half", [h.make_node("Identity", ["x"], ["y"])],
                                   [("x", T.FLOAT16, ["N", 2])], [("y", T.FLOAT16, ["N", 2])]),
            "scalar_input": graph("scalar", [h.make_node("Identity", ["x"], ["y"])],
                                  [("x", T.FLOAT, [])], [("y", T.FLOAT, [])])}
    for name, model in made.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    whole = (OUT / "logistic_binary.onnx").read_bytes()
    (folder / "truncated.onnx").write_bytes(whole[:len(whole) * 2 // 3])
    (folder / "empty.onnx").write_bytes(b"")
    (folder / "text.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def hostile():
    """Small files that ask for time without end, or for more memory than there is: ONNX Runtime
    takes them."""
    folder = OUT / "hostile"
    value = [("x", T.FLOAT, ["N", 2])], [("y", T.FLOAT, ["N", 2])]
    constants = [numpy_helper.from_array(np.array(2**62, dtype=np.int64), "often"),
                 numpy_helper.from_array(np.array(True), "yes")]
    body = h.make_graph(
        [h.make_node("Identity", ["go"], ["on"]), h.make_node("Neg", ["before"], ["after"])],
        "body", [h.make_tensor_value_info("turn", T.INT64, []),
                 h.make_tensor_value_info("go", T.BOOL, []),
                 h.make_tensor_value_info("before", T.FLOAT, ["N", 2])],
        [h.make_tensor_value_info("on", T.BOOL, []),
         h.make_tensor_value_info("after", T.FLOAT, ["N", 2])])
    endless = graph("endless", [h.make_node("Loop", ["often", "yes", "x"], ["y"], body=body)],
                    *value, constants)
    (folder / "endless.onnx").write_bytes(endless.SerializeToString(deterministic=True))
    # As often as the largest number says: it loads, and one record hangs it.
    often = [h.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
             h.make_node("Cast", ["largest"], ["often"], to=T.INT64),
             h.make_node("Loop", ["often", "yes", "x"], ["y"], body=body)]
    hanging = graph("hanging", often, *value, constants[1:])
    (folder / "hanging.onnx").write_bytes(hanging.SerializeToString(deterministic=True))
    shape = numpy_helper.from_array(np.array([2**45], dtype=np.int64), "shape")
    huge = graph("huge", [h.make_node("ConstantOfShape", ["shape"], ["zeros"]),
                          h.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
                          h.make_node("Add", ["x", "sum"], ["y"])], *value, [shape])
    (folder / "huge.onnx").write_bytes(huge.SerializeToString(deterministic=True))


def main():
    if OUT.exists():
        shutil.rmtree(OUT)
    (OUT / "refused").mkdir(parents=True)
    (OUT / "hostile").mkdir()
    for make in [classifiers, zipmap_variants, regressors, others, string_pipelines, boosters,
                 element_types, mixed_inputs, scaled_integers,
                 partly_asked_for, external_data, refused, hostile]:
        make()
    (OUT / "manifest.json").write_text(json.dumps(sorted(names), indent=0) + "\n")
    print(f"{len(names)} models in {OUT}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the converters let the order of sets show
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main()
