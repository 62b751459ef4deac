#!/usr/bin/env python3
"""Make the models of the examples in pipelines/ (but fraud.onnx, which make-demo-model.py makes):
small scikit-learn models of synthetic data whose rule is stated here.

usage: .venv/bin/python scripts/make-example-models.py     (scripts/setup --dev makes .venv)
"""
import pathlib

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

MODELS = pathlib.Path(__file__).resolve().parent.parent / "pipelines" / "models"
OPSET = 17


def store(name, model, inputs, options=None):
    onnx = to_onnx(model, initial_types=inputs, target_opset=OPSET, name=name, options=options)
    onnx.producer_version = ""
    path = MODELS / f"{name}.onnx"
    path.write_bytes(onnx.SerializeToString(deterministic=True))
    print(f"{path.name}: {path.stat().st_size} bytes, inputs {[i.name for i in onnx.graph.input]}, "
          f"outputs {[o.name for o in onnx.graph.output]}")


def without_zipmap(model):
    return {id(model): {"zipmap": False}}


def messages():
    """What a message to a shop is: words of its kind among words that say nothing."""
    kinds = {
        "complaint": "broken late damaged refund angry missing never wrong torn terrible".split(),
        "praise": "great thanks love perfect fast happy lovely excellent recommend best".split(),
        "question": "when where how which can delivery size open possible change".split(),
    }
    filler = "the a my order it was is and you shop this for to with parcel".split()
    random = np.random.default_rng(1)
    texts, labels = [], []
    for kind, words in kinds.items():
        for _ in range(400):
            chosen = list(random.choice(words, random.integers(1, 4)))
            chosen += list(random.choice(filler, random.integers(2, 8)))
            random.shuffle(chosen)
            chosen[0] = chosen[0].capitalize() if random.random() < 0.5 else chosen[0]
            texts.append(" ".join(chosen))
            labels.append(kind)
    # Not lowercase: ONNX Runtime would ask for a locale that small systems lack.
    model = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression(max_iter=1000))
    model.fit(texts, labels)
    store("messages", model, [("text", StringTensorType([None, 1]))], without_zipmap(model))


def delivery():
    """Minutes of a delivery: distance and rush hour, weight, rain."""
    random = np.random.default_rng(2)
    n = 5_000
    x = np.column_stack([
        random.gamma(2, 3, n), random.integers(0, 24, n), random.gamma(2, 4, n),
        random.random(n) < 0.3]).astype(np.float32)
    distance, hour, weight, rain = x.T
    rush = ((hour >= 16) & (hour <= 18)) * 1.0
    y = 10 + 3 * distance * (1 + 0.5 * rush) + 0.4 * weight + 4 * rain + random.normal(0, 2, n)
    model = GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=2).fit(x, y)
    store("delivery", model, [("features", FloatTensorType([None, 4]))])


def churn():
    """Who leaves: small plans, many tickets, new customers. Text and numbers, one input each."""
    random = np.random.default_rng(3)
    n = 4_000
    plan = random.choice(["free", "basic", "team"], n)
    country = random.choice(["AT", "CH", "DE", "FR"], n)
    months, tickets = random.integers(0, 60, n), random.poisson(1, n)
    table = np.empty((n, 4), dtype=object)
    for index, column in enumerate([plan, country, months, tickets]):
        table[:, index] = column
    logit = 0.8 * (plan == "free") - 0.8 * (plan == "team") + 0.6 * tickets - 0.05 * months - 0.5
    leaves = np.where(random.random(n) < 1 / (1 + np.exp(-logit)), "leaves", "stays")
    model = make_pipeline(
        ColumnTransformer([("text", OneHotEncoder(handle_unknown="ignore"), [0, 1]),
                           ("number", StandardScaler(), [2, 3])]),
        LogisticRegression(max_iter=1000))
    model.fit(table, leaves)
    text, number = StringTensorType([None, 1]), FloatTensorType([None, 1])
    store("churn", model, [("plan", text), ("country", text), ("months", number),
                           ("tickets", number)], without_zipmap(model))


def pumps():
    """Whether a pump fails within a day: heat and vibration together."""
    random = np.random.default_rng(4)
    n = 4_000
    x = np.column_stack([random.normal(60, 12, n), random.gamma(2, 1.5, n),
                         random.normal(4, 0.8, n)]).astype(np.float32)
    heat, vibration, pressure = x.T
    logit = -6 + 0.08 * (heat - 60) + 0.9 * vibration - 0.6 * (pressure - 4)
    fails = random.random(n) < 1 / (1 + np.exp(-logit))
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(x, fails.astype(np.int64))
    store("pumps", model, [("readings", FloatTensorType([None, 3]))], without_zipmap(model))


if __name__ == "__main__":
    messages()
    delivery()
    churn()
    pumps()
