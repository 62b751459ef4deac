#!/usr/bin/env python3
"""Make pipelines/models/fraud.onnx, the model of the demo and of pipelines/fraud.yaml: XGBoost,
60 trees of depth 4 over eight fields of a payment, trained on synthetic payments whose fraud
follows a stated rule. `millrace demo` draws its payments from the same distributions
(Sources/millrace/PaymentGenerator.swift).

usage: .venv/bin/python scripts/make-demo-model.py     (scripts/setup --dev makes .venv)
"""
import pathlib

import numpy as np
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

FIELDS = ["amount", "hour", "merchant_category", "card_present", "distance_km", "payments_last_hour",
          "average_amount_30d", "account_age_days"]


def payments(random, count):
    return np.column_stack([
        np.round(np.exp(random.normal(3.2, 1.1, count)), 2),
        random.integers(0, 24, count),
        random.integers(0, 99, count),
        random.random(count) < 0.6,
        np.round(np.exp(random.normal(1.5, 1.5, count)), 1),
        random.poisson(1.2, count),
        np.round(np.exp(random.normal(3.2, 0.6, count)), 2),
        random.integers(0, 3000, count),
    ]).astype(np.float32)


def is_fraud(random, x):
    amount, hour, category, present, distance, recent, average, age = x.T
    logit = (-5.5 + 1.1 * np.log(amount / average) + 1.2 * (hour < 6) + 0.6 * (category > 80)
             - 1.0 * present + 0.5 * np.log1p(distance) + 0.7 * np.maximum(recent - 2, 0)
             + 1.0 * (age < 60))
    return (random.random(len(x)) < 1 / (1 + np.exp(-logit))).astype(int)


def main():
    random = np.random.default_rng(20)
    x = payments(random, 60_000)
    y = is_fraud(random, x)
    model = xgboost.XGBClassifier(n_estimators=60, max_depth=4, learning_rate=0.15, n_jobs=1)
    model.fit(x, y)
    onnx = convert_xgboost(
        model, initial_types=[("features", FloatTensorType([None, len(FIELDS)]))], target_opset=15)
    path = pathlib.Path(__file__).resolve().parent.parent / "pipelines" / "models" / "fraud.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(onnx.SerializeToString())
    print(f"{path.name}: {path.stat().st_size} bytes, fraud share {y.mean():.3f}, "
          f"outputs {[o.name for o in onnx.graph.output]}")


if __name__ == "__main__":
    main()
