"""What the comparisons with tree libraries stand on: training data, rows that meet thresholds
exactly, and the files of a model: NAME.EXT itself, NAME.rows (5,000 rows of float64),
NAME.expected (the library's predictions as float64, output after output) and NAME.json, which says
what is in them."""
import contextlib
import dataclasses
import json
import os
import pathlib
import sys

import numpy as np

ROWS = 5000
FLOAT32 = {"ulp": 2, "absolute": 1e-6}
# An absolute one besides, for what 1 - p leaves of a p near 1.
FLOAT64 = {"relative": 1e-12, "absolute": 1e-15}
EXACT = {}
# What a value may be instead of the one that a row has. 1e-35 is where LightGBM's zeros end.
SPECIALS = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1e-40, 1.1754944e-38, 5e-324, 1e-35,
            -1e-35, 1.0000000180025095e-35, 9e-36, 1.1e-35, 3.4028235e38, -3.4028235e38, 1e300, 1,
            -1, 0.5, 1e6]
# The same for a feature whose values are categories; infinity is none that a library defines.
CATEGORY_SPECIALS = [-1, -0.5, 0.3, 2.7, 31, 32, 33, 63, 64, 65, 999, 1e6, np.nan, 0.0, -0.0]


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).stem}: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Table:
    """Training data: features that float32 holds exactly, and a hidden score that targets are made
    from."""
    x: np.ndarray
    score: np.ndarray
    rng: np.random.Generator
    categories: tuple = ()

    @property
    def binary(self):
        return (self.score + self.rng.normal(size=len(self.x)) * 0.3 > 0.2).astype(int)

    def classes(self, count):
        edges = np.quantile(self.score, np.linspace(0, 1, count + 1)[1:-1])
        return np.searchsorted(edges, self.score + self.rng.normal(size=len(self.x)) * 0.1)

    @property
    def positive(self):
        return np.exp(self.score * 0.7).astype(np.float32).astype(np.float64)

    @property
    def counts(self):
        return self.rng.poisson(np.exp(np.clip(self.score * 0.5, -3, 3))).astype(float)


def table(seed, features=16, rows=3000, missing=0.0, zeros=0.0, categories=(), levels=40,
          scale=1.0):
    """Some columns normal, some lognormal, some with few values; `categories` are columns of codes
    below `levels`; the hidden score takes from the first columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features))
    x[:, 1::5] = np.exp(x[:, 1::5])
    x[:, 2::5] = np.round(x[:, 2::5] * 4) / 4
    for column in categories:
        x[:, column] = rng.integers(0, levels, rows)
    some = x[:, :8]
    weights = rng.normal(size=some.shape[1])
    score = np.tanh(np.where(some > 5, np.sin(some), some) * weights).sum(axis=1)
    if features > 3:
        score += np.where((x[:, 0] > 0) ^ (x[:, 3] > 0.5), 0.8, -0.8)
    plain = [c for c in range(features) if c not in categories]
    for share, value in (zeros, 0.0), (missing, np.nan):
        if share:
            hit = rng.random((rows, features)) < share
            hit[:, list(categories)] &= np.isnan(value)
            x[hit] = value
    x[:, plain] *= scale
    x = x.astype(np.float32).astype(np.float64)
    return Table(x, score - np.median(score), rng, tuple(categories))


# Rows that sit on edges

def neighbours(thresholds, single):
    """Each threshold, and the numbers of the type right below and above it."""
    kind = np.float32 if single else np.float64
    values = np.asarray(thresholds, dtype=np.float64).astype(kind)
    with np.errstate(all="ignore"):
        below = np.nextafter(values, kind(-np.inf))
        above = np.nextafter(values, kind(np.inf))
    return np.concatenate([values, below, above]).astype(np.float64)


def edge_rows(data, thresholds, single, specials=None, count=ROWS, seed=5):
    """Half rows like those of the training data, then rows of which some values are thresholds of
    the model or their neighbours, then rows of which some values are specials.

    thresholds: {feature: list}; single: whether the model compares float32."""
    rng = np.random.default_rng(seed)
    rows = data.x[rng.integers(0, len(data.x), count)].copy()
    width = rows.shape[1]
    plain = [c for c in range(width) if c not in data.categories]
    step = np.float32(0.01) * rng.integers(-3, 4, rows.shape).astype(np.float32)
    rows[:, plain] = (rows + rows * step)[:, plain].astype(np.float32)
    if not single:  # float64 that float32 does not hold
        rows[::7, plain] *= 1 + 2.0 ** -40
    edge = slice(count // 2, count * 9 // 10)
    odd = slice(count * 9 // 10, count)
    share = min(1.0, 8 / width)
    usual = SPECIALS if specials is None else specials
    for feature in range(width):
        block = rows[edge, feature]
        known = thresholds.get(feature, [])
        if len(known):
            values = neighbours(known, single)
            hit = rng.random(len(block)) < max(share, 0.4)
            block[hit] = rng.choice(values, hit.sum())
        block = rows[odd, feature]
        hit = rng.random(len(block)) < max(share, 0.3)
        values = CATEGORY_SPECIALS if feature in data.categories else usual
        block[hit] = rng.choice(np.array(values, dtype=np.float64), hit.sum())
    return rows


def to_single(rows):
    """As float32, without a complaint about what becomes infinite."""
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)


# Files

@dataclasses.dataclass
class Output:
    """What the library says. `name` is the output's, or None where the file names none: then `role`
    is what Millrace calls it (raw, prediction, probabilities, label)."""
    role: str
    values: np.ndarray
    tolerance: dict
    name: str | None = None
    texts: list | None = None

    def told(self):
        width = self.values.shape[1] if self.values.ndim > 1 else 1
        return {"role": self.role, "name": self.name, "width": width,
                "tolerance": self.tolerance, "texts": self.texts}


class Folder:
    """Where the models of one run lie. A model is remade where the scripts that made it changed."""

    def __init__(self, path, stamp):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.stamp = stamp

    def has(self, name):
        try:
            return json.loads((self.path / f"{name}.json").read_text())["stamp"] == self.stamp
        except (OSError, ValueError, KeyError):
            return False

    def store(self, name, kind, suffix, model, rows, outputs, quick):
        """`model`: bytes, or a function that writes the file at a path. NAME.json comes last, so
        that a run that was ended begins this model anew."""
        file = self.path / f"{name}.{suffix}"
        # Under another extension than .json, which is the manifest's.
        file = file.with_suffix(".model.json") if suffix == "json" else file
        if callable(model):
            model(str(file))
        else:
            file.write_bytes(model)
        rows.astype("<f8").tofile(self.path / f"{name}.rows")
        for output in outputs:
            if output.values.shape[0] != len(rows):
                sys.exit(f"{name}: {output.values.shape} for {len(rows)} rows")
        np.concatenate([np.asarray(one.values, dtype="<f8").reshape(-1) for one in outputs]).tofile(
            self.path / f"{name}.expected")
        entry = {"name": name, "kind": kind, "file": file.name, "quick": quick, "rows": len(rows),
                 "features": rows.shape[1],
                 "outputs": [one.told() for one in outputs], "stamp": self.stamp}
        new = self.path / f"{name}.json.new"
        new.write_text(json.dumps(entry, indent=1) + "\n")
        new.rename(self.path / f"{name}.json")

    def forget_all_but(self, names):
        """Removes models that the scripts no longer make."""
        for entry in self.entries():
            if entry["name"] not in names:
                for file in self.path.glob(f"{entry['name']}.*"):
                    file.unlink()

    def entries(self):
        return sorted((json.loads(path.read_text()) for path in self.path.glob("*.json")
                       if not path.name.endswith(".model.json")), key=lambda entry: entry["name"])


@contextlib.contextmanager
def quiet():
    """What libraries write to the standard output of the process goes nowhere."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)
