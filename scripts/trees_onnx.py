"""Ensembles as ONNX: scikit-learn's through skl2onnx, XGBoost's and LightGBM's through onnxmltools,
and random ones in the operators' own words. Predictions are ONNX Runtime's."""
import contextlib

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h

from trees_boosters import recipe, target
from trees_kit import EXACT, FLOAT32, FLOAT64, Output, edge_rows, quiet, table, to_single


# ONNX Runtime's word

def onnx_thresholds(model):
    """What nodes compare with, by feature. Where a scaler comes before the trees the values are
    those behind it, and only the other rows matter."""
    found = {}
    for node in model.graph.node:
        if not node.op_type.startswith("TreeEnsemble"):
            continue
        have = {one.name: h.get_attribute_value(one) for one in node.attribute}
        for name in "nodes_values", "nodes_values_as_tensor", "nodes_splits":
            if name not in have:
                continue
            values = have[name]
            if isinstance(values, T):
                values = onnx.numpy_helper.to_array(values)
            for place, (feature, value) in enumerate(zip(have["nodes_featureids"], values)):
                if "nodes_modes" not in have or name == "nodes_splits" \
                        or have["nodes_modes"][place] != b"LEAF":
                    found.setdefault(feature, set()).add(float(value))
    return {feature: sorted(values) for feature, values in found.items()}


def runtime_outputs(model, rows):
    """All outputs. Several inputs take one column of the rows after the other."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed, first = {}, 0
    for one in session.get_inputs():
        width = one.shape[1] if isinstance(one.shape[1], int) else rows.shape[1]
        part = rows[:, first:first + width]
        feed[one.name] = part if "double" in one.type else to_single(part)
        first += width
    outputs = []
    for told, values in zip(session.get_outputs(), session.run(None, feed)):
        if isinstance(values, list):  # ZipMap
            values = np.array([[row[key] for key in values[0]] for row in values], np.float32)
        if values.dtype.kind in "UO":
            texts, values = np.unique(values.astype(str), return_inverse=True)
            outputs.append(Output("label", values, EXACT, told.name, texts.tolist()))
        elif values.dtype.kind == "i":
            outputs.append(Output("label", values, EXACT, told.name))
        else:
            outputs.append(Output("scores", values.reshape(len(rows), -1),
                                  FLOAT64 if values.dtype == np.float64 else FLOAT32, told.name))
    return outputs


def store_onnx(folder, name, model, rows, quick):
    folder.store(name, "onnx", "onnx", model, rows, runtime_outputs(model, rows), quick)


def store_proto(folder, name, proto, data, quick, single=True, specials=None):
    rows = edge_rows(data, onnx_thresholds(proto), single, specials)
    store_onnx(folder, name, proto.SerializeToString(deterministic=True), rows, quick)


# scikit-learn

@contextlib.contextmanager
def booleans_as_numbers():
    """skl2onnx 1.20 gives the missing directions of histogram boosting as booleans, which protobuf
    7 refuses."""
    original = h.make_attribute

    def make(key, value, *others, **more):
        if isinstance(value, list) and any(isinstance(one, (bool, np.bool_)) for one in value):
            value = [int(one) for one in value]
        return original(key, value, *others, **more)

    h.make_attribute = make
    try:
        yield
    finally:
        h.make_attribute = original


def sklearn_model(folder, name, make, kind="binary", quick=False, options=None, labels=None,
                  weights=False, double=False, apart=False, ml_opset=3, **shape):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
    data = table(len(name) * 149, **shape)
    y = target(data, kind)
    if labels:
        y = np.array(labels)[y]
    model = make()
    more = {"sample_weight": data.rng.random(len(y)) * 3} if weights else {}
    model.fit(to_single(data.x), y, **more)
    width = data.x.shape[1]
    one = DoubleTensorType if double else FloatTensorType
    types = [(f"f{k}", one([None, 1])) for k in range(width)] if apart else [
        ("X", one([None, width]))]
    chosen = {id(model): options} if options is not None else None
    with quiet(), booleans_as_numbers():
        proto = to_onnx(model, initial_types=types, options=chosen,
                        target_opset={"": 17, "ai.onnx.ml": ml_opset})
    store_proto(folder, name, proto, data, quick, single=not double)


def skl(name, make, *arguments, **more):
    recipe(f"skl_{name}", sklearn_model, make, *arguments, **more)


def sklearn_recipes():
    from sklearn import compose, ensemble as e, preprocessing, tree
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    plain = {"zipmap": False}
    words = ["cheap", "middling", "gr\u00e4nd cru", "x"]

    def forest(trees, depth=None, kind=e.RandomForestClassifier, **more):
        return lambda: kind(trees, max_depth=depth, random_state=1, **more)

    skl("tree", lambda: tree.DecisionTreeClassifier(max_depth=5), options=plain, quick=True)
    skl("tree16", lambda: tree.DecisionTreeClassifier(max_depth=16), "classes:4", options=plain,
        rows=8000)
    skl("tree_reg", lambda: tree.DecisionTreeRegressor(max_depth=6), "score", quick=True)
    skl("tree_reg_deep", lambda: tree.DecisionTreeRegressor(), "score")
    skl("extra_tree", lambda: tree.ExtraTreeClassifier(max_depth=8), options=plain)
    skl("one_leaf", lambda: tree.DecisionTreeRegressor(min_samples_split=10 ** 6), "score",
        quick=True)
    skl("one_leaf_class", lambda: tree.DecisionTreeClassifier(min_samples_split=10 ** 6),
        options=plain)
    skl("forest", forest(50, 8), options=plain, quick=True)
    skl("forest12_100", forest(100, 12), options=plain)
    skl("forest_deep", forest(30), options=plain)
    skl("forest_stumps", forest(200, 1), options=plain, quick=True)
    skl("forest500", forest(500, 4), options=plain)
    skl("forest_wide", forest(40, 8), options=plain, features=500)
    skl("forest_narrow", forest(20, 6), options=plain, features=1)
    skl("forest_multi", forest(30, 8), "classes:5", options=plain, quick=True)
    skl("forest_words", forest(20, 6), "classes:4", options=plain, labels=words, quick=True)
    skl("forest_zipmap", forest(20, 6), "classes:3", labels=words, quick=True)
    skl("forest_zipmap_int", forest(20, 6))
    skl("forest_weights", forest(20, 6, class_weight="balanced"), options=plain, weights=True)
    skl("forest_double", forest(20, 6), options=plain, double=True)
    skl("forest_inputs", lambda: make_pipeline(
        compose.ColumnTransformer([("same", "passthrough", [0, 1]),
                                   ("scaled", preprocessing.StandardScaler(), [2, 3, 4])]),
        forest(20, 6)()), options=plain, apart=True, features=5)
    skl("forest_ml1", forest(20, 6), options=plain, ml_opset=1)
    skl("forest_reg", forest(50, 8, e.RandomForestRegressor), "score", quick=True)
    skl("forest_reg_deep", forest(20, None, e.RandomForestRegressor), "score")
    skl("forest_reg_several", forest(20, 7, e.RandomForestRegressor), "several:3", quick=True)
    skl("extra", forest(50, 9, e.ExtraTreesClassifier), "classes:3", options=plain)
    skl("extra_reg", forest(50, 9, e.ExtraTreesRegressor), "score")
    skl("boosting", forest_of(e.GradientBoostingClassifier, 60), options=plain, quick=True)
    skl("boosting_multi", forest_of(e.GradientBoostingClassifier, 20), "classes:4", options=plain)
    skl("boosting_exp", forest_of(e.GradientBoostingClassifier, 20, loss="exponential"),
        options=plain)
    skl("boosting_reg", forest_of(e.GradientBoostingRegressor, 60), "score", quick=True)
    skl("boosting_reg_depth1", forest_of(e.GradientBoostingRegressor, 300, max_depth=1), "score")
    skl("hist", lambda: e.HistGradientBoostingClassifier(max_iter=40), options=plain, missing=0.2,
        quick=True)
    skl("hist_multi", lambda: e.HistGradientBoostingClassifier(max_iter=15), "classes:4",
        options=plain)
    skl("hist_reg", lambda: e.HistGradientBoostingRegressor(max_iter=60), "score", missing=0.1)
    skl("hist_poisson", lambda: e.HistGradientBoostingRegressor(loss="poisson", max_iter=30),
        "counts")
    skl("isolation", lambda: e.IsolationForest(n_estimators=30, random_state=1))
    skl("bagging", lambda: e.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=5), 10,
                                               random_state=1), options=plain)
    skl("ada", lambda: e.AdaBoostClassifier(n_estimators=10, random_state=1), options=plain)
    skl("scaled", lambda: make_pipeline(preprocessing.StandardScaler(), forest(20, 6)()),
        options=plain, quick=True)
    skl("min_max", lambda: make_pipeline(preprocessing.MinMaxScaler(),
                                         e.GradientBoostingRegressor(n_estimators=20)), "score")
    skl("imputed", lambda: make_pipeline(SimpleImputer(), preprocessing.RobustScaler(),
                                         forest(20, 6)()), options=plain, missing=0.2, quick=True)


def forest_of(kind, trees, **more):
    return lambda: kind(n_estimators=trees, random_state=1, **more)


# XGBoost and LightGBM through onnxmltools

def converted_model(folder, name, make, kind="binary", quick=False, weights=False, zipmap=True,
                    **shape):
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType
    data = table(len(name) * 151, **shape)
    y = target(data, kind)
    model = make()
    more = {"sample_weight": data.rng.random(len(y)) * 3} if weights else {}
    model.fit(to_single(data.x), y, **more)
    types = [("features", FloatTensorType([None, data.x.shape[1]]))]
    with quiet():
        if name.startswith("omt_xgb"):
            proto = onnxmltools.convert_xgboost(model, initial_types=types, target_opset=15)
        else:
            proto = onnxmltools.convert_lightgbm(model, initial_types=types, target_opset=15,
                                                 zipmap=zipmap)
    store_proto(folder, name, proto, data, quick)


def converted_recipes():
    import lightgbm
    import xgboost

    def omt(name, make, *arguments, **more):
        recipe(f"omt_{name}", converted_model, make, *arguments, **more)

    def xgb(kind=xgboost.XGBClassifier, trees=30, **more):
        return lambda: kind(n_estimators=trees, n_jobs=1, random_state=1, **more)

    def lgb(kind=lightgbm.LGBMClassifier, trees=30, **more):
        return lambda: kind(n_estimators=trees, n_jobs=1, random_state=1, verbose=-1, **more)

    regress = {"kind": xgboost.XGBRegressor}
    omt("xgb_binary", xgb(trees=100, max_depth=6), quick=True)
    omt("xgb_missing", xgb(max_depth=5), missing=0.3, quick=True)
    omt("xgb_stumps", xgb(trees=300, max_depth=1))
    omt("xgb_deep", xgb(trees=10, max_depth=14), rows=8000)
    omt("xgb_multi", xgb(max_depth=4), "classes:5", quick=True)
    omt("xgb_reg", xgb(**regress, max_depth=5), "score", quick=True)
    omt("xgb_poisson", xgb(**regress, objective="count:poisson"), "counts")
    omt("xgb_weights", xgb(max_depth=4), weights=True)
    omt("xgb_wide", xgb(max_depth=5), features=500)
    omt("lgb_binary", lgb(trees=60), quick=True)
    omt("lgb_array", lgb(), zipmap=False, quick=True)
    omt("lgb_deep", lgb(trees=10, num_leaves=500, min_child_samples=1), rows=8000)
    omt("lgb_missing", lgb(), missing=0.3, zipmap=False)
    omt("lgb_multi", lgb(), "classes:4", zipmap=False)
    omt("lgb_reg", lgb(lightgbm.LGBMRegressor), "score")
    omt("lgb_rf", lgb(lightgbm.LGBMRegressor, boosting_type="rf", subsample=0.6,
                      subsample_freq=1), "score")


# Random ensembles in the operators' own words

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


class Trees:
    """Random trees as the attributes of TreeEnsembleRegressor and -Classifier want them."""

    def __init__(self, rng, trees, depth, features, targets, modes, vector, whole=False,
                 scale=1.0):
        self.rng, self.features, self.modes = rng, features, modes
        self.whole, self.scale = whole, scale
        self.nodes, self.leaves = [], []
        for tree in range(trees):
            self.size = 0
            self.add(tree, depth, targets, vector)

    def add(self, tree, depth, targets, vector):
        own, self.size = self.size, self.size + 1
        rng = self.rng
        node = [tree, own, "LEAF", 0, 0.0, 0, 0, 0]
        self.nodes.append(node)
        if depth == 0 or (own and rng.random() < 0.1):
            some = range(targets) if vector else [int(rng.integers(targets))]
            self.leaves += [(tree, own, one, float(np.float32(rng.normal() * self.scale)))
                            for one in some]
            return own
        value = np.float32(rng.normal() if not self.whole else rng.integers(-2, 3))
        node[2:5] = [str(rng.choice(self.modes)), int(rng.integers(self.features)), float(value)]
        node[5] = self.add(tree, depth - 1, targets, vector)
        node[6] = self.add(tree, depth - 1, targets, vector)
        node[7] = int(rng.random() < 0.5)
        return own

    def attributes(self, word, double):
        names = ["treeids", "nodeids", "modes", "featureids", "values", "truenodeids",
                 "falsenodeids", "missing_value_tracks_true"]
        found = {f"nodes_{name}": list(column) for name, column in zip(names, zip(*self.nodes))}
        ends = ["treeids", "nodeids", "ids", "weights"]
        found |= {f"{word}_{name}": list(column) for name, column in zip(ends, zip(*self.leaves))}
        if double:
            for name in "nodes_values", f"{word}_weights":
                values = found.pop(name)
                found[f"{name}_as_tensor"] = h.make_tensor(name, T.DOUBLE, [len(values)], values)
        return found


def finish(folder, name, node, data, outputs, quick, double=False, opset=3):
    kind = T.DOUBLE if double else T.FLOAT
    graph = h.make_graph([node], name, [h.make_tensor_value_info(
        "X", kind, [None, data.x.shape[1]])], outputs)
    proto = h.make_model(graph, ir_version=9, opset_imports=[
        h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", opset)])
    store_proto(folder, name, proto, data, quick, single=not double)


def random_regressor(folder, name, trees=20, depth=5, targets=1, modes=MODES, vector=False,
                     double=False, quick=False, base=None, whole=False, scale=1.0,
                     **more):
    data = table(len(name) * 157, features=8)
    made = Trees(data.rng, trees, depth, 8, targets, modes, vector, whole, scale)
    some = {"base_values_as_tensor": h.make_tensor("b", T.DOUBLE, [targets], base)} \
        if double and base else {"base_values": base} if base else {}
    node = h.make_node("TreeEnsembleRegressor", ["X"], ["Y"], domain="ai.onnx.ml",
                       n_targets=targets, **made.attributes("target", double), **some, **more)
    finish(folder, name, node, data, [h.make_tensor_value_info("Y", T.FLOAT, [None, targets])],
           quick, double)


def random_classifier(folder, name, classes=3, binary=False, words=False, quick=False, base=None,
                      **more):
    data = table(len(name) * 163, features=8)
    made = Trees(data.rng, 15, 4, 8, 1 if binary else classes, MODES, not binary)
    labels = {"classlabels_strings": [f"class {k}" for k in range(classes)]} if words else {
        "classlabels_int64s": [k * 3 - 1 for k in range(classes)]}
    if base:
        labels["base_values"] = base
    node = h.make_node("TreeEnsembleClassifier", ["X"], ["L", "S"], domain="ai.onnx.ml",
                       **made.attributes("class", False), **labels, **more)
    finish(folder, name, node, data, [
        h.make_tensor_value_info("L", T.STRING if words else T.INT64, [None]),
        h.make_tensor_value_info("S", T.FLOAT, [None, classes])], quick)


def random_recipes():
    quick = {"quick": True}
    recipe("raw_modes", random_regressor, **quick)
    recipe("raw_modes_double", random_regressor, double=True, base=[0.25])
    recipe("raw_equal", random_regressor, modes=["BRANCH_EQ"], depth=8, whole=True, **quick)
    for mode in MODES:
        recipe(f"raw_{mode[7:].lower()}", random_regressor, modes=[mode], whole=mode[-1] == "Q")
    for word in "MIN", "MAX", "AVERAGE", "SUM":
        recipe(f"raw_{word.lower()}", random_regressor, aggregate_function=word, targets=3,
               base=[0.5, -1.0, 2.0], quick=word == "MIN")
    recipe("raw_vector", random_regressor, targets=4, vector=True)
    recipe("raw_one_target_of_many", random_regressor, targets=5, trees=2)
    for post in "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT", "NONE":
        more = {"targets": 1, "base": [0.5], "scale": 0.05} if post == "PROBIT" else {"targets": 3}
        recipe(f"raw_reg_{post.lower()}", random_regressor, post_transform=post, **more)
        recipe(f"raw_multi_{post.lower()}", random_classifier, post_transform=post)
        if post != "PROBIT":  # ONNX Runtime 1.32 leaves the second score uninitialized
            recipe(f"raw_binary_{post.lower()}", random_classifier, classes=2, binary=True,
                   post_transform=post, quick=post == "LOGISTIC")
    recipe("raw_binary_words", random_classifier, classes=2, binary=True, words=True, **quick)
    recipe("raw_multi_words", random_classifier, classes=4, words=True,
           base=[0.1, 0.2, -0.3, 0.4])
    recipe("raw_binary_two_columns", random_classifier, classes=2)
