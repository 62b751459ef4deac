"""`scripts/bench trees`: rows per second of Millrace's tree kernel on one core, beside other
predictors of the same models. Progress goes to stderr, the table to stdout."""
import argparse
import datetime
import importlib.metadata
import pathlib
import platform
import re
import statistics

import tree_predictors
from bench_kit import (REPOSITORY, TREE_MARKS, complain, made_data, say, shared_folder, verdict_of,
                       write_section)
from bench_tree_shapes import make_all

BATCHES = [1, 16, 512]
OTHERS = ["ONNX Runtime", "XGBoost", "LightGBM", "CatBoost", "treelite", "lleaves"]
RUNTIME_TARGET = 5
SHAPES_TARGET = 7


def measure(made, binary, title, shape, rounds, seconds):
    """{batch: {name: median rows per second}}; one predictor after the other, round by round."""
    rates = {}
    for batch in BATCHES:
        contenders = tree_predictors.predictors(made, binary, shape, batch)
        all_rates = [[] for _ in contenders]
        for _, contender in contenders:  # loads and warms what comes up late
            contender.rate(batch, seconds / 4)
        for _ in range(rounds):
            for found, (_, contender) in zip(all_rates, contenders):
                found.append(contender.rate(batch, seconds))
        best = {}
        for (name, _), found in zip(contenders, all_rates):
            best[name] = max(best.get(name, 0), statistics.median(found))
        rates[batch] = best
        say(f"{title}, batches of {batch}: " + ", ".join(
            f"{name} {rate:,.0f}" for name, rate in best.items()))
    return rates


def ours(rates):
    """The model's own file where it has one, as what users have."""
    return rates.get("Millrace, own file", rates["Millrace, .onnx"])


def against_runtime(rates):
    """Both on the same file."""
    return rates["Millrace, .onnx"] / rates["ONNX Runtime"]


def against_others(rates):
    return ours(rates) / max(rates[name] for name in OTHERS if name in rates)


def row(title, batch, rates):
    cells = [rates.get(name) for name in ["Millrace, own file", "Millrace, .onnx", *OTHERS]]
    told = " | ".join("" if cell is None else f"{cell:,.0f}" for cell in cells)
    return (f"| {title} | {batch} | {told} | **{against_runtime(rates):.1f}** "
            f"| **{against_others(rates):.2f}** |")


def check_lines(results):
    """What the issue demands, and whether it is met."""
    gbt, shapes = results[0][1], results[1:]
    runtime = {batch: against_runtime(gbt[batch]) for batch in BATCHES}
    others = {batch: against_others(gbt[batch]) for batch in BATCHES}
    best = {batch: sum(against_others(rates[batch]) >= 1 for _, rates in shapes)
            for batch in BATCHES}
    slower = [f"{title} at {batch}" for title, rates in shapes for batch in BATCHES
              if against_runtime(rates[batch]) < 1]

    def told(values, form):
        return ", ".join(format(value, form) for value in values.values())

    at = f"at batches of {', '.join(map(str, BATCHES))}"
    return [
        f"- fraud_gbt {at}: {told(runtime, '.1f')} times ONNX Runtime (at least {RUNTIME_TARGET}:"
        f" {verdict_of(min(runtime.values()) >= RUNTIME_TARGET)});"
        f" {told(others, '.2f')} times the best of all others (at least 1:"
        f" {verdict_of(min(others.values()) >= 1)}).",
        f"- The {len(shapes)} other shapes {at}: at least as fast as the best on"
        f" {told(best, 'd')} (at least {SHAPES_TARGET}:"
        f" {verdict_of(min(best.values()) >= SHAPES_TARGET)}); slower than ONNX Runtime:"
        f" {'; '.join(slower) or 'none'} ({verdict_of(not slower)})."]


def table(results, arguments, core):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    versions = " · ".join(
        f"{name} {importlib.metadata.version(name)}" for name in
        ["onnxruntime", "xgboost", "lightgbm", "catboost", "treelite", "lleaves"])
    head = " | ".join(["model", "batch", "Millrace, own file", "Millrace, .onnx", *OTHERS,
                       "times ONNX Runtime", "times the best"])
    lines = [
        f"{datetime.date.today()}, one core ({cpu.group(1) if cpu else platform.machine()}),"
        f" one thread. {versions}. Rows per second, medians of {arguments.rounds} interleaved"
        " rounds.", "", f"| {head} |", "|---|" + "---|" * (len(OTHERS) + 5)]
    for title, rates in results:
        lines += [row(title, batch, rates[batch]) for batch in BATCHES]
    if not arguments.names:
        lines += ["", *check_lines(results)]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench trees")
    parser.add_argument("names", nargs="*", help="only models whose title contains it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.15, help="of one measurement")
    parser.add_argument("--probe", type=pathlib.Path,
                        default=REPOSITORY / ".build" / "release" / "TreeProbe")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if arguments.write and arguments.names:
        complain("--write needs the whole table; leave the names out")
    core = tree_predictors.pin()
    folder = REPOSITORY / ".build" / "bench" / "trees"
    shapes = make_all(folder, made_data(shared_folder()))
    made = tree_predictors.loops(folder)
    results = [
        (title, measure(made, arguments.probe.resolve(), title, shape, arguments.rounds,
                        arguments.seconds))
        for title, shape in shapes
        if not arguments.names or any(name in title for name in arguments.names)]
    printed = table(results, arguments, core)
    print(printed, end="")
    if arguments.write:
        write_section(TREE_MARKS, printed)


if __name__ == "__main__":
    main()
