#!/usr/bin/env python3
"""Makes a model file of about so many megabytes, of random trees, to measure how large ensembles
load: what stands around the trees is a fixture's.

usage: make-large-ensemble.py FORMAT MEGABYTES FILE
  FORMAT  xgboost-json, xgboost-ubj, lightgbm-txt, catboost-json or onnx; lightgbm-sets, onnx-sets:
          each split by a set of categories

    make-large-ensemble.py onnx 500 large.onnx
    .build/release/TreeProbe load large.onnx
"""
import json
import pathlib
import random
import struct
import sys

FIXTURES = pathlib.Path(__file__).parent.parent / "Tests" / "Fixtures" / "boosters"
FEATURES = 100
DEPTH = 8
SPLITS = 2 ** DEPTH - 1
LEAVES = SPLITS + 1
NODES = SPLITS + LEAVES
DIGITS = 16  # of the pools' size, in bits
chance = random.Random(1)


def pool(make):
    return [make() for _ in range(1 << DIGITS)]


def single(number):
    return struct.unpack("<f", struct.pack("<f", number))[0]


def grow(megabytes, head, tail, tree):
    """Pieces of a file: `tree` makes that of each number until there are enough."""
    yield head
    done = len(head) + len(tail)
    count = 0
    while done < megabytes * 1000000:
        piece = tree(count)
        count += 1
        done += len(piece)
        yield piece
    yield tail


# Nodes level by level: the children of node i are 2i + 1 and 2i + 2.
LEFT = [2 * i + 1 if i < SPLITS else -1 for i in range(NODES)]
RIGHT = [2 * i + 2 if i < SPLITS else -1 for i in range(NODES)]
PARENTS = [2147483647] + [(i - 1) // 2 for i in range(1, NODES)]


def xgboost(megabytes, is_binary):
    model = json.loads((FIXTURES / "xgb-squared.json").read_text())
    learner = model["learner"]
    learner["feature_names"] = [f"feature_{i}" for i in range(FEATURES)]
    learner["feature_types"] = []
    learner["learner_model_param"]["num_feature"] = str(FEATURES)
    booster = learner["gradient_booster"]["model"]
    tree = tree_ubj if is_binary else tree_json
    size = len(tree(0)) + 12
    count = max(1, megabytes * 1000000 // size)
    booster["gbtree_model_param"]["num_trees"] = str(count)
    booster["iteration_indptr"] = list(range(count + 1))
    booster["tree_info"] = [0] * count
    booster["trees"] = ["@"]
    if is_binary:
        # A list without a count, so that trees can come one by one.
        text = ubj(model)
        mark = ubj(["@"])
        head, tail = text[:text.index(mark)] + b"[", b"]" + text[text.index(mark) + len(mark):]
    else:
        text = json.dumps(model).encode()
        head, tail = text.split(b'"@"')
    yield head
    for number in range(count):
        if number and not is_binary:
            yield b","
        yield tree(number)
    yield tail


def tree_lists():
    splits = chance.choices(THRESHOLDS, k=SPLITS)
    return {
        "loss_changes": chance.choices(THRESHOLDS, k=SPLITS) + [0.0] * LEAVES,
        "split_conditions": splits + chance.choices(THRESHOLDS, k=LEAVES),
        "base_weights": chance.choices(THRESHOLDS, k=NODES),
        "sum_hessian": [float(chance.randrange(1, 5000)) for _ in range(NODES)],
    }


def tree_parts(number):
    return {
        "categories": [], "categories_nodes": [], "categories_segments": [],
        "categories_sizes": [], "default_left": [chance.randrange(2) for _ in range(NODES)],
        "id": number, "left_children": LEFT, "parents": PARENTS, "right_children": RIGHT,
        "split_indices": [chance.randrange(FEATURES) if i < SPLITS else 0 for i in range(NODES)],
        "split_type": [0] * NODES,
        "tree_param": {"num_deleted": "0", "num_feature": str(FEATURES), "num_nodes": str(NODES),
                       "size_leaf_vector": "1"}}


def tree_json(number):
    lists = {name: [f"{value:.8G}" for value in values] for name, values in tree_lists().items()}
    parts = {name: json.dumps(value, separators=(",", ":"))
             for name, value in tree_parts(number).items()}
    parts.update((name, "[" + ",".join(values) + "]") for name, values in lists.items())
    return ("{" + ",".join(f'"{name}":{parts[name]}' for name in sorted(parts)) + "}").encode()


def tree_ubj(number):
    types = {"categories": "l", "categories_nodes": "l", "categories_segments": "L",
             "categories_sizes": "L", "default_left": "U", "left_children": "l", "parents": "l",
             "right_children": "l", "split_indices": "l", "split_type": "U"}
    parts = {}
    for name, value in tree_parts(number).items():
        parts[name] = typed(types[name], value) if name in types else ubj(value)
    parts.update((name, typed("d", values)) for name, values in tree_lists().items())
    return b"{" + b"".join(key(name) + parts[name] for name in sorted(parts)) + b"}"


def key(name):
    raw = name.encode()
    return b"L" + struct.pack(">q", len(raw)) + raw


def typed(kind, values):
    code = {"d": "f", "l": "i", "L": "q", "U": "B"}[kind]
    return (b"[$" + kind.encode() + b"#L" + struct.pack(">q", len(values))
            + struct.pack(f">{len(values)}{code}", *values))


def ubj(value):
    if isinstance(value, dict):
        return b"{" + b"".join(key(name) + ubj(one) for name, one in value.items()) + b"}"
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(ubj, value))
    if isinstance(value, str):
        return b"S" + key(value)
    return b"L" + struct.pack(">q", value)


def lightgbm(megabytes, words=0):
    """With `words` of 32 categories at each split, where it is not 0."""
    header = (FIXTURES / "lightgbm_regression.txt").read_text().split("\nTree=")[0].split("\n")
    names = " ".join(f"feature_{i}" for i in range(FEATURES))
    values = {"max_feature_idx": FEATURES - 1, "feature_names": names,
              "feature_infos": " ".join(["[-5:5]"] * FEATURES)}
    # Without the sizes of trees, which stand before them.
    lines = [f"{line.split('=')[0]}={values[line.split('=')[0]]}"
             if line.split("=")[0] in values else line
             for line in header if not line.startswith("tree_sizes")]
    long = pool(lambda: f"{chance.gauss(0, 1):.17g}")
    short = pool(lambda: f"{chance.gauss(0, 1):.6g}")
    children = [(str(2 * i + 1 if 2 * i + 1 < SPLITS else ~(2 * i + 1 - SPLITS)),
                 str(2 * i + 2 if 2 * i + 2 < SPLITS else ~(2 * i + 2 - SPLITS)))
                for i in range(SPLITS)]
    counts = [str(i) for i in range(1, 2000)]

    bits = pool(lambda: str(chance.getrandbits(32))) if words else []
    sets = [("cat_boundaries", [str(words * i) for i in range(SPLITS + 1)])] if words else []

    def tree(number):
        lists = [("split_feature", [str(chance.randrange(FEATURES)) for _ in range(SPLITS)]),
                 ("split_gain", chance.choices(short, k=SPLITS)),
                 ("threshold", ([str(i) for i in range(SPLITS)] if words
                                else chance.choices(long, k=SPLITS))),
                 ("decision_type", ["1" if words else "2"] * SPLITS),
                 ("left_child", [left for left, _ in children]),
                 ("right_child", [right for _, right in children]),
                 ("leaf_value", chance.choices(long, k=LEAVES)),
                 ("leaf_weight", chance.choices(long, k=LEAVES)),
                 ("leaf_count", chance.choices(counts, k=LEAVES)),
                 ("internal_value", chance.choices(short, k=SPLITS)),
                 ("internal_weight", chance.choices(short, k=SPLITS)),
                 ("internal_count", chance.choices(counts, k=SPLITS))] + sets
        if words:
            lists.append(("cat_threshold", chance.choices(bits, k=words * SPLITS)))
        text = "".join(f"{name}={' '.join(values)}\n" for name, values in lists)
        return (f"Tree={number}\nnum_leaves={LEAVES}\n"
                f"num_cat={SPLITS if words else 0}\n{text}is_linear=0\n"
                "shrinkage=0.1\n\n\n").encode()

    head = "\n".join(lines).rstrip("\n") + "\n\n"
    yield from grow(megabytes, head.encode(), b"end of trees\n", tree)


def catboost(megabytes):
    model = json.loads((FIXTURES / "cat-rmse.json").read_text())
    feature = model["features_info"]["float_features"][0]
    borders = sorted({single(chance.gauss(0, 1)) for _ in range(254)})
    model["features_info"]["float_features"] = [
        feature | {"feature_index": i, "flat_feature_index": i, "borders": borders,
                   "feature_id": f"feature_{i}", "feature_name": f"feature_{i}"}
        for i in range(FEATURES)]
    model["oblivious_trees"] = ["@"]
    long = pool(lambda: f"{chance.gauss(0, 1):.16g}")
    counts = [str(i) for i in range(1, 2000)]

    def tree(number):
        values = ",".join(chance.choices(long, k=64))
        weights = ",".join(chance.choices(counts, k=64))
        splits = ",".join(
            '{"border":%r,"float_feature_index":%d,"split_index":%d,"split_type":"FloatFeature"}'
            % (chance.choice(borders), chance.randrange(FEATURES), chance.randrange(9999))
            for _ in range(6))
        return (("," if number else "") + f'{{"leaf_values":[{values}],"leaf_weights":[{weights}],'
                f'"splits":[{splits}]}}').encode()

    head, tail = json.dumps(model).encode().split(b'"@"')
    yield from grow(megabytes, head, tail, tree)


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, raw):
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def onnx(megabytes):
    whole = {i: b"\x40" + varint(i) for i in range(NODES)}
    number = pool(lambda: b"\x3d" + struct.pack("<f", chance.gauss(0, 1)))
    nodes = b"".join(whole[i] for i in range(NODES))
    leaves = b"".join(whole[i] for i in range(SPLITS, NODES))
    lists = {name: bytearray() for name in (
        "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
        "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
        "nodes_hitrates", "target_treeids", "target_nodeids", "target_ids", "target_weights")}
    modes = field(9, b"BRANCH_LEQ") * SPLITS + field(9, b"LEAF") * LEAVES
    left = b"".join(whole[max(0, i)] for i in LEFT)
    right = b"".join(whole[max(0, i)] for i in RIGHT)
    zeros = b"\x3d" + struct.pack("<f", 0)
    tree = 0
    while sum(map(len, lists.values())) < megabytes * 1000000:
        own = b"\x40" + varint(tree)
        for name, raw in {
                "nodes_treeids": own * NODES, "nodes_nodeids": nodes, "nodes_modes": modes,
                "nodes_featureids": b"".join(
                    chance.choices([whole[i] for i in range(FEATURES)], k=SPLITS))
                + whole[0] * LEAVES,
                "nodes_values": b"".join(chance.choices(number, k=SPLITS)) + zeros * LEAVES,
                "nodes_truenodeids": left, "nodes_falsenodeids": right,
                "nodes_missing_value_tracks_true": whole[0] * NODES,
                "nodes_hitrates": zeros * NODES, "target_treeids": own * LEAVES,
                "target_nodeids": leaves, "target_ids": whole[0] * LEAVES,
                "target_weights": b"".join(chance.choices(number, k=LEAVES))}.items():
            lists[name] += raw
        tree += 1
    # Types of attributes: 6 floats, 7 integers, 8 texts.
    types = {"nodes_modes": 8, "nodes_values": 6, "nodes_hitrates": 6, "target_weights": 6}
    yield onnx_model(b"TreeEnsembleRegressor", 3, {
        name: (types.get(name, 7), bytes(raw)) for name, raw in lists.items()})


def onnx_model(operation, version, attributes):
    """A model of one node: attributes by name, each with its type and its fields."""
    attributes = attributes | {"n_targets": (2, b"\x18\x01")}
    body = field(1, b"X") + field(2, b"Y") + field(4, operation) + field(7, b"ai.onnx.ml")
    body += b"".join(field(5, field(1, name.encode()) + raw + b"\xa0\x01" + varint(kind))
                     for name, (kind, raw) in attributes.items())

    def port(name, width):
        shape = field(1, field(2, b"N")) + field(1, b"\x08" + varint(width))
        return field(1, name) + field(2, field(1, b"\x08\x01" + field(2, shape)))

    graph = (field(1, body) + field(2, b"trees") + field(11, port(b"X", FEATURES))
             + field(12, port(b"Y", 1)))
    learning = field(1, b"ai.onnx.ml") + b"\x10" + varint(version)
    return b"\x08\x0a" + field(7, graph) + field(8, learning) + field(8, b"\x10\x15")


def onnx_sets(megabytes):
    """Splits by 100 of 1,000 categories, as float32 in TreeEnsemble's membership_values."""
    sets = [struct.pack("<101f", *chance.sample(range(1000), 100), float("nan"))
            for _ in range(4096)]
    weights = pool(lambda: struct.pack("<f", chance.gauss(0, 1)))
    trees = max(1, megabytes * 1000000 // (SPLITS * 420))
    splits, leaves = trees * SPLITS, trees * LEAVES
    left = [2 * i + 1 if 2 * i + 1 < SPLITS else ~(2 * i + 1 - SPLITS) for i in range(SPLITS)]
    right = [2 * i + 2 if 2 * i + 2 < SPLITS else ~(2 * i + 2 - SPLITS) for i in range(SPLITS)]

    def integers(values):
        return 7, b"".join(b"\x40" + varint(value) for value in values)

    def tensor(kind, count, raw):
        # dims, data_type, raw_data of the attribute's tensor.
        return 4, field(5, b"\x08" + varint(count) + b"\x10" + varint(kind) + field(9, raw))

    def children(places):
        return integers(SPLITS * tree + place if place >= 0 else LEAVES * tree + ~place
                        for tree in range(trees) for place in places)

    yield onnx_model(b"TreeEnsemble", 5, {
        "tree_roots": integers(SPLITS * tree for tree in range(trees)),
        "nodes_featureids": integers(chance.randrange(FEATURES) for _ in range(splits)),
        "nodes_modes": tensor(2, splits, b"\6" * splits),
        "nodes_splits": tensor(1, splits, bytes(4 * splits)),
        "nodes_truenodeids": children(left), "nodes_falsenodeids": children(right),
        "nodes_trueleafs": integers([int(place < 0) for place in left] * trees),
        "nodes_falseleafs": integers([int(place < 0) for place in right] * trees),
        "leaf_targetids": integers([0] * leaves),
        "leaf_weights": tensor(1, leaves, b"".join(chance.choices(weights, k=leaves))),
        "membership_values": tensor(
            1, 101 * splits, b"".join(chance.choices(sets, k=splits)))})


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    megabytes = int(sys.argv[2])
    makers = {"xgboost-json": lambda: xgboost(megabytes, False),
              "xgboost-ubj": lambda: xgboost(megabytes, True),
              "lightgbm-txt": lambda: lightgbm(megabytes),
              "lightgbm-sets": lambda: lightgbm(megabytes, words=100),
              "catboost-json": lambda: catboost(megabytes), "onnx": lambda: onnx(megabytes),
              "onnx-sets": lambda: onnx_sets(megabytes)}
    with open(sys.argv[3], "wb") as out:
        for piece in makers[sys.argv[1]]():
            out.write(piece)


THRESHOLDS = pool(lambda: single(chance.gauss(0, 1)))
if __name__ == "__main__":
    main()
