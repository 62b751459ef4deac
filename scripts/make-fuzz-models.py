#!/usr/bin/env python3
"""Makes Tests/Fixtures/fuzz: small ONNX models for scripts/fuzz, which between them have each node
and attribute that trees run; those of converters, in Tests/Fixtures/onnx, have but a few.

usage: make-fuzz-models.py FOLDER
"""
import pathlib
import random
import sys

import numpy
from onnx import TensorProto, helper, numpy_helper, save_model

chance = random.Random(1)
ML = "ai.onnx.ml"
FLOAT, DOUBLE, INT64, STRING = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64,
                                TensorProto.STRING)
WIDTH = 4
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def tensor(values, kind=numpy.float32):
    return numpy_helper.from_array(numpy.array(values, kind), "t")


def third(operation, inputs, outputs, targets, modes=("BRANCH_LEQ",), double=False, trees=3,
          depth=3, **more):
    """A node of ai.onnx.ml 1 to 3: trees of 2^depth leaves."""
    prefix = "class" if operation.endswith("Classifier") else "target"
    splits, leaves = 2 ** depth - 1, 2 ** depth
    nodes = splits + leaves
    a = {f"nodes_{name}": [] for name in (
        "treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids",
        "missing_value_tracks_true")}
    a |= {f"{prefix}_{name}": [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(trees):
        for i in range(nodes):
            is_leaf = i >= splits
            a["nodes_treeids"].append(tree)
            a["nodes_nodeids"].append(i)
            a["nodes_featureids"].append(0 if is_leaf else chance.randrange(WIDTH))
            a["nodes_modes"].append("LEAF" if is_leaf else chance.choice(modes))
            a["nodes_values"].append(0.0 if is_leaf else float(chance.randrange(-4, 5)) / 2)
            a["nodes_truenodeids"].append(0 if is_leaf else 2 * i + 1)
            a["nodes_falsenodeids"].append(0 if is_leaf else 2 * i + 2)
            a["nodes_missing_value_tracks_true"].append(0 if is_leaf else chance.randrange(2))
            if is_leaf:
                for target in range(targets):
                    a[f"{prefix}_treeids"].append(tree)
                    a[f"{prefix}_nodeids"].append(i)
                    a[f"{prefix}_ids"].append(target)
                    a[f"{prefix}_weights"].append(chance.random())
    if double:
        for name in ("nodes_values", f"{prefix}_weights"):
            a[name + "_as_tensor"] = tensor(a.pop(name), numpy.float64)
    if prefix == "target":
        a["n_targets"] = targets
    return helper.make_node(operation, inputs, outputs, domain=ML, **a, **more)


def fifth(inputs, outputs, targets, double=False, aggregate=1, post=0, members=True):
    kind = numpy.float64 if double else numpy.float32
    a = {"nodes_featureids": [], "nodes_truenodeids": [], "nodes_falsenodeids": [],
         "nodes_trueleafs": [], "nodes_falseleafs": [], "nodes_missing_value_tracks_true": []}
    splits, modes, members_of, roots, ids, weights = [], [], [], [], [], []
    for _ in range(3):
        first = len(splits)
        roots.append(first)
        for i in range(7):
            mode = chance.choice([0, 1, 2, 3, 4, 5, 6] if members else [0, 1])
            modes.append(mode)
            splits.append(float(chance.randrange(-3, 4)))
            if mode == 6:
                members_of += [float(x) for x in chance.sample(range(40), 3)] + [float("nan")]
            a["nodes_featureids"].append(chance.randrange(WIDTH))
            a["nodes_missing_value_tracks_true"].append(chance.randrange(2))
            for side, child in (("true", 2 * i + 1), ("false", 2 * i + 2)):
                is_leaf = child >= 7
                a[f"nodes_{side}leafs"].append(int(is_leaf))
                a[f"nodes_{side}nodeids"].append(len(ids) if is_leaf else first + child)
                if is_leaf:
                    ids.append(chance.randrange(targets))
                    weights.append(chance.random())
    if members_of:
        a["membership_values"] = tensor(members_of, kind)
    return helper.make_node(
        "TreeEnsemble", inputs, outputs, domain=ML, n_targets=targets, tree_roots=roots,
        aggregate_function=aggregate, post_transform=post, leaf_targetids=ids,
        nodes_modes=tensor(modes, numpy.uint8), nodes_splits=tensor(splits, kind),
        leaf_weights=tensor(weights, kind), **a)


def model(nodes, inputs, outputs, tensors=(), learning=3):
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(name, kind, ["N", width]) for name, kind, width in inputs],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in outputs],
        list(tensors))
    return helper.make_model(
        graph, ir_version=8,
        opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid(ML, learning)])


def constant(name, values, kind=numpy.float32):
    return numpy_helper.from_array(numpy.array(values, kind), name)


def models():
    x = [("X", FLOAT, WIDTH)]
    y = [("Y", FLOAT, ["N", 1])]
    regressor = "TreeEnsembleRegressor"
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        yield f"reg_{aggregate.lower()}", model(
            [third(regressor, ["X"], ["Y"], 2, MODES, aggregate_function=aggregate)], x,
            [("Y", FLOAT, ["N", 2])])
    for post in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
        yield f"reg_{post.lower()}", model(
            [third(regressor, ["X"], ["Y"], 1, post_transform=post, base_values=[0.5])], x, y)
    yield "reg_double", model(
        [third(regressor, ["X"], ["Y"], 1, MODES, double=True)], [("X", DOUBLE, WIDTH)],
        [("Y", FLOAT, ["N", 1])])
    labels = [("L", INT64, ["N"]), ("P", FLOAT, ["N", 3])]
    classifier = "TreeEnsembleClassifier"
    for post in ("NONE", "SOFTMAX", "LOGISTIC"):
        yield f"class_{post.lower()}", model(
            [third(classifier, ["X"], ["L", "P"], 3, ["BRANCH_EQ", "BRANCH_LEQ"],
                   classlabels_int64s=[3, -1, 7], post_transform=post)], x, labels)
    yield "class_words", model(
        [third(classifier, ["X"], ["L", "P"], 1, classlabels_strings=["no", "yes"],
               post_transform="LOGISTIC")], x, [("L", STRING, ["N"]), ("P", FLOAT, ["N", 2])])
    yield "class_int64", model(
        [third(classifier, ["X"], ["L", "P"], 3, classlabels_int64s=[0, 1, 2])],
        [("X", INT64, WIDTH)], labels)
    for name, more in {"plain": {}, "double": {"double": True}, "min": {"aggregate": 2},
                       "max": {"aggregate": 3}, "average": {"aggregate": 0}}.items():
        kind = DOUBLE if more.get("double") else FLOAT
        yield f"fifth_{name}", model(
            [fifth(["X"], ["Y"], 2, **more)], [("X", kind, WIDTH)], [("Y", kind, ["N", 2])],
            learning=5)
    around = [
        helper.make_node("Imputer", ["A"], ["a1"], domain=ML, imputed_value_floats=[0.5, 1.0],
                         replaced_value_float=float("nan")),
        helper.make_node("Scaler", ["a1"], ["a2"], domain=ML, offset=[0.5, 1.0],
                         scale=[2.0, 0.25]),
        helper.make_node("Cast", ["B"], ["b1"], to=FLOAT),
        helper.make_node("Concat", ["a2", "b1"], ["c"], axis=1),
        helper.make_node("Sub", ["c", "mean"], ["d"]), helper.make_node("Div", ["d", "var"], ["e"]),
    ]
    ab = [("A", FLOAT, 2), ("B", INT64, 2)]
    tensors = [constant("mean", [0.5, 0.25, 1, 2]), constant("var", [2.0, 1, 3, 4])]
    yield "around_before", model(
        [*around, third(regressor, ["e"], ["Y"], 1)], ab, y, tensors)
    yield "around_behind", model(
        [*around, third(regressor, ["e"], ["s"], 3),
         helper.make_node("Softmax", ["s"], ["p"], axis=1),
         helper.make_node("Normalizer", ["p"], ["P"], domain=ML, norm="L1"),
         helper.make_node("ArgMax", ["p"], ["i"], axis=1, keepdims=0),
         helper.make_node("Identity", ["i"], ["L"])], ab, labels, tensors)
    yield "arithmetic", model(
        [third(regressor, ["X"], ["s"], 1), helper.make_node("Mul", ["s", "k"], ["t"]),
         helper.make_node("Add", ["t", "s"], ["u"]), helper.make_node("Sigmoid", ["u"], ["v"]),
         helper.make_node("Reshape", ["v", "shape"], ["Y"])], x, y,
        [constant("k", [0.5]), constant("shape", [-1, 1], numpy.int64)])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in models():
        save_model(made, folder / f"{name}.onnx")


if __name__ == "__main__":
    main()
