"""The models that `scripts/bench trees` measures: fraud_gbt and ten other shapes, each in its
library's own file and as ONNX, with the rows that are scored. Made once into a folder."""
import dataclasses
import hashlib
import pathlib
import shutil

import numpy as np

from bench_kit import say
from trees_kit import quiet, table, to_single

TRAINING = 20_000


@dataclasses.dataclass
class Shape:
    """A model and its rows. `own` is the library's file, None for scikit-learn, of whose model
    treelite's own file takes the place."""
    name: str
    library: str
    folder: pathlib.Path
    width: int
    own: pathlib.Path | None = None

    @property
    def onnx(self):
        return self.folder / f"{self.name}.onnx"

    @property
    def rows_file(self):
        return self.folder / f"{self.name}.rows"

    @property
    def treelite(self):
        return self.folder / f"{self.name}.treelite"

    def rows(self):
        return np.fromfile(self.rows_file, dtype="<f8").reshape(-1, self.width)


def rows_like(data, count):
    """New rows with the training data's columns, each column shuffled by itself."""
    rng = np.random.default_rng(3)
    return np.stack([rng.choice(data.x[:, k], count) for k in range(data.x.shape[1])], axis=1)


def make_xgboost(path, data, params, trees, kind):
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    y = data.classes(params["classes"]) if kind == "classes" else data.binary
    params = {key: value for key, value in params.items() if key != "classes"}
    model = xgboost.XGBClassifier(n_estimators=trees, n_jobs=1, random_state=1, **params)
    model.fit(to_single(data.x), y)
    model.save_model(path.with_suffix(".ubj"))
    types = [("features", FloatTensorType([None, data.x.shape[1]]))]
    proto = convert_xgboost(model, initial_types=types, target_opset=15)
    path.with_suffix(".onnx").write_bytes(proto.SerializeToString())


def make_lightgbm(path, data, params, trees, kind):
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    usual = {"objective": "binary", "num_threads": 1, "seed": 1, "verbosity": -1}
    more = {"categorical_feature": list(data.categories)} if data.categories else {}
    booster = lightgbm.train(usual | params, lightgbm.Dataset(data.x, data.binary, **more), trees)
    booster.save_model(path.with_suffix(".txt"))
    types = [("features", FloatTensorType([None, data.x.shape[1]]))]
    proto = convert_lightgbm(booster, initial_types=types, target_opset=15, zipmap=False)
    path.with_suffix(".onnx").write_bytes(proto.SerializeToString())


def make_catboost(path, data, params, trees, kind):
    import catboost
    model = catboost.CatBoostClassifier(iterations=trees, thread_count=1, random_seed=1, verbose=0,
                                        allow_writing_files=False, **params)
    model.fit(data.x, data.binary)
    for form in "json", "onnx", "cbm":
        model.save_model(path.with_suffix(f".{form}"), format=form)


def make_forest(path, data, params, trees, kind):
    import treelite
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    model = RandomForestClassifier(trees, random_state=1, n_jobs=1, **params)
    model.fit(to_single(data.x), data.binary)
    proto = to_onnx(model, to_single(data.x[:1]), options={id(model): {"zipmap": False}},
                    target_opset={"": 17, "ai.onnx.ml": 3})
    path.with_suffix(".onnx").write_bytes(proto.SerializeToString())
    treelite.sklearn.import_model(model).serialize(path.with_suffix(".treelite"))


MAKERS = {"XGBoost": (make_xgboost, ".ubj"), "LightGBM": (make_lightgbm, ".txt"),
          "CatBoost": (make_catboost, ".json"), "scikit-learn": (make_forest, None)}
# Name, library, parameters, trees, what is learned, the data.
SHAPES = [
    ("LightGBM, 500 trees of 31 leaves", "LightGBM", {"num_leaves": 31}, 500, "binary", {}),
    ("LightGBM, 200 trees of 255 leaves", "LightGBM", {"num_leaves": 255}, 200, "binary", {}),
    ("XGBoost, 1,000 trees of depth 3", "XGBoost", {"max_depth": 3}, 1000, "binary", {}),
    ("XGBoost, 300 trees of depth 8", "XGBoost", {"max_depth": 8}, 300, "binary", {}),
    ("XGBoost, 500 stumps", "XGBoost", {"max_depth": 1}, 500, "binary", {}),
    ("scikit-learn, forest of 100 trees of depth 12", "scikit-learn", {"max_depth": 12}, 100,
     "binary", {}),
    ("XGBoost, 10 classes, 100 trees each of depth 5", "XGBoost", {"max_depth": 5, "classes": 10},
     100, "classes", {}),
    ("CatBoost, 1,000 trees of depth 6", "CatBoost", {"depth": 6}, 1000, "binary", {}),
    ("LightGBM, 200 trees of 31 leaves, 500 features", "LightGBM", {"num_leaves": 31}, 200,
     "binary", {"features": 500, "rows": 5000}),
    ("LightGBM, 200 trees of 31 leaves, 3 of 16 features categories", "LightGBM",
     {"num_leaves": 31, "min_data_per_group": 20}, 200, "binary",
     {"categories": (0, 3, 5), "levels": 60}),
]


def make_shape(folder, number):
    title, library, params, trees, kind, shape = SHAPES[number]
    name = f"shape{number + 1}"
    maker, suffix = MAKERS[library]
    data = table(100 + number, **{"rows": TRAINING} | shape)
    width = data.x.shape[1]
    own = (folder / name).with_suffix(suffix) if suffix else None
    made = Shape(name, library, folder, width, own)
    if not made.rows_file.exists():
        say(f"making {title}")
        with quiet():
            maker(folder / name, data, params, trees, kind)
        # Last, so that what an ended run left behind is made anew.
        rows_like(data, 20_000 if width < 100 else 4_000).astype("<f8").tofile(made.rows_file)
    return title, made


def make_all(folder, fraud):
    """Titles and shapes; `fraud` is the folder of shared/bench's models. fraud_gbt is the first."""
    stamp = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()
    if not (folder / "stamp").exists() or (folder / "stamp").read_text() != stamp:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "stamp").write_text(stamp)
    gbt = Shape("fraud_gbt", "XGBoost", folder, 16, folder / "fraud_gbt.ubj")
    for file in gbt.onnx, gbt.own:
        shutil.copy(fraud / file.name, file)
    rows = np.fromfile(fraud / "features.f32", dtype="<f4").reshape(-1, 16)[:20_000]
    rows.astype("<f8").tofile(gbt.rows_file)
    return [("fraud_gbt", gbt)] + [make_shape(folder, k) for k in range(len(SHAPES))]
