"""Are our numbers and points nearer to the truth than the plain mean, median and Dawid-Skene, and is the error honest?

    python benchmarks/rate.py [FOLDER ...]

A folder holds answers.csv (task, worker, label) and truth.csv (task, label), the labels numbers. With more than a
dozen different ones they are numbers, else points in their order. Without a folder crowds are drawn: numbers with
ROUNDS seeds, points with POINT_ROUNDS, then 1,000,000 answers for the CPU time of one fit.

Numbers: root mean square error of the mean, the tenth-trimmed mean, the median and ours, mean absolute error of the
same, and how many truths lie within 1.96 standard errors. Points: share of right labels of the majority, Dawid-Skene
and ours, root mean square error of their means (and of our numbers), and how sure Dawid-Skene and ours are on average.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
from scipy.stats import trim_mean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import dawid_skene, numeric, ordinal
from tasks.aggregation.votes import Floats, Ints, majority

Answers = tuple[Ints, Ints, Floats, int, int]
ROUNDS = 20
POINT_ROUNDS = 5
DOZEN = 12

NUMBERS: dict[str, dict[str, float]] = {
    "biased and noisy": {},
    "all alike": {"bias": 0, "differ": 0},
    "very biased": {"bias": 15},
    "a tenth guess": {"guess": 0.1},
    "a third guess": {"guess": 0.33},
    "typing errors": {"slips": 0.03},
    "both": {"guess": 0.1, "slips": 0.03},
    "scales": {"scales": 0.3},
    "uneven tasks": {"uneven": 0.7},
    "heavy tails": {"tails": 3},
    "few answers each": {"workers": 500},
    "two a task": {"each": 2},
    "fifteen a task": {"each": 15, "tasks": 300},
}
POINTS: dict[str, dict[str, float]] = {
    "five points": {},
    "no bias": {"bias": 0},
    "nine points": {"points": 9},
    "three points": {"points": 3},
    "three a task": {"each": 3},
    "few answers each": {"workers": 1000},
    "a third guess": {"guess": 0.33},
    "all alike": {"bias": 0, "guess": 0, "low": 0.7, "high": 0.7},
}


def read(folder: Path) -> tuple[Answers, Floats]:
    """The answers of a folder, and the truth of each task, nan where there is none."""
    rows, truths = _table(folder / "answers.csv"), _table(folder / "truth.csv")
    tasks, workers = _codes([row[0] for row in rows]), _codes([row[1] for row in rows])
    truth = np.full(len(tasks), np.nan)
    for name, label in truths:
        if name in tasks:
            truth[tasks[name]] = float(label)
    task, worker = np.array([(tasks[t], workers[w]) for t, w, _ in rows], np.int64).T
    return (task, worker, np.array([float(label) for _, _, label in rows]), len(tasks), len(workers)), truth


def _table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _codes(names: list[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(sorted(set(names)))}


def _seats(rng: np.random.Generator, tasks: int, workers: int, each: int) -> tuple[Ints, Ints]:
    """Which worker answers which task, nobody the same one twice."""
    chosen = np.argsort(rng.random((tasks, workers)), axis=1)[:, :each]
    return np.repeat(np.arange(tasks), each), chosen.ravel()


def drawn_numbers(
    seed: int,
    *,
    tasks: int = 1000,
    workers: int = 50,
    each: int = 5,
    bias: float = 5,
    differ: float = 0.5,
    guess: float = 0,
    slips: float = 0,
    scales: float = 0,
    uneven: float = 0,
    tails: float = 1e6,
) -> tuple[Answers, Floats]:
    """Answers on a scale of 100 by workers with a bias and a spread of their own, some guessing, some ten times off."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 100, tasks)
    task, worker = _seats(rng, tasks, workers, each)
    noise = rng.standard_t(tails, len(task)) * (5 * np.exp(differ * rng.normal(size=workers)))[worker]
    noise *= np.exp(uneven * rng.normal(size=tasks))[task]
    scale = (1 + scales * rng.normal(size=workers))[worker]
    value = 50 + scale * (truth[task] - 50) + (bias * rng.normal(size=workers))[worker] + noise
    value = np.where(worker < guess * workers, rng.uniform(0, 100, len(task)), value)
    value *= np.where(rng.random(len(task)) < slips, rng.choice([0.1, 10], len(task)), 1)
    return (task, worker, value, tasks, workers), truth


def drawn_points(
    seed: int,
    *,
    tasks: int = 1000,
    workers: int = 100,
    each: int = 5,
    points: int = 5,
    bias: float = 0.5,
    low: float = 0.4,
    high: float = 1.0,
    guess: float = 0.1,
) -> tuple[Answers, Floats]:
    """Points by workers who read high or low, with a spread between low and high, some of them guessing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, points, tasks)
    task, worker = _seats(rng, tasks, workers, each)
    noise = rng.uniform(low, high, workers)[worker] * rng.normal(size=len(task))
    point = np.clip(np.round(truth[task] + (bias * rng.normal(size=workers))[worker] + noise), 0, points - 1)
    point = np.where(worker < guess * workers, rng.integers(0, points, len(task)), point)
    return (task, worker, point, tasks, workers), truth.astype(np.float64)


def numbers(answers: Answers, truth: Floats) -> Floats:
    """The figures of one line: four root mean square errors, four mean absolute ones, the share within the interval."""
    task, _, value, n_tasks, _ = answers
    by_task = np.split(value[np.argsort(task, kind="stable")], np.cumsum(np.bincount(task, minlength=n_tasks))[:-1])
    fitted, known = numeric.fit(*answers), ~np.isnan(truth)
    guesses = [
        np.array([np.mean(row) for row in by_task]),
        np.array([trim_mean(row, 0.1) for row in by_task]),
        np.array([np.median(row) for row in by_task]),
        fitted.estimate,
    ]
    away = [(guess - truth)[known] for guess in guesses]
    within = np.abs(away[-1]) <= 1.96 * fitted.error[known]
    return np.array([*(np.sqrt(np.mean(a**2)) for a in away), *(np.mean(np.abs(a)) for a in away), within.mean()])


def points(answers: Answers, truth: Floats) -> Floats:
    """The figures of one line: three shares of right labels, four root mean square errors, two mean certainties."""
    task, worker, value, n_tasks, n_workers = answers
    known, n_points = ~np.isnan(truth), int(max(value.max(), np.nanmax(truth))) + 1
    votes = task, worker, value.astype(np.int64), n_tasks, n_workers, n_points
    right = truth[known].astype(np.int64)
    rows = [
        guess[known] for guess in (majority(*votes), dawid_skene.fit(*votes).posterior, ordinal.fit(*votes).posterior)
    ]
    away = [ordinal.expected(row) - right for row in rows] + [(numeric.fit(*answers).estimate - truth)[known]]
    best = [row >= row.max(axis=1, keepdims=True) - 1e-12 for row in rows]
    shares = [np.mean(top[np.arange(len(right)), right] / top.sum(axis=1)) for top in best]
    sure = [row.max(axis=1).mean() for row in rows[1:]]
    return np.array([*shares, *(np.sqrt(np.mean(a**2)) for a in away), *sure])


def line(name: str, figures: Floats) -> str:
    """A row of a table."""
    return f"{name:18}" + "".join(f" {figure:9.3f}" for figure in figures)


def head(name: str, columns: str) -> str:
    """The row above it."""
    return f"{name:18}" + "".join(f" {column:>9}" for column in columns.split())


def speed() -> None:
    """CPU seconds of one fit on 1,000,000 answers."""
    rng = np.random.default_rng(1)
    task, worker, truth = np.repeat(np.arange(200_000), 5), rng.integers(0, 5000, 1_000_000), rng.uniform(0, 5, 200_000)
    value = truth[task] + (0.3 * rng.normal(size=5000))[worker] + 0.5 * rng.normal(size=len(task))
    mixed = rng.permutation(len(task))
    task, worker, value = task[mixed], worker[mixed], value[mixed]
    point = np.clip(value, 0, 4.999).astype(np.int64)
    for name in ("numbers", "points"):
        start = time.process_time_ns()
        if name == "numbers":
            numeric.fit(task, worker, value, 200_000, 5000)
        else:
            ordinal.fit(task, worker, point, 200_000, 5000, 5)
        print(f"1,000,000 {name}: {(time.process_time_ns() - start) / 1e9:.2f} CPU s", flush=True)


NUMBER_COLUMNS = "mean trimmed median ours abs:mean trimmed median ours within"
POINT_COLUMNS = "majority d-s ours rms:maj d-s ours numbers sure:d-s ours"


def main(folders: list[str]) -> None:
    """Print the tables."""
    for folder in folders:
        answers, truth = read(Path(folder))
        few = len(np.unique(answers[2])) <= DOZEN
        print(head("points" if few else "numbers", POINT_COLUMNS if few else NUMBER_COLUMNS))
        print(line(Path(folder).name, (points if few else numbers)(answers, truth)), flush=True)
    if folders:
        return
    print(head("numbers", NUMBER_COLUMNS))
    for name, options in NUMBERS.items():
        rows = [numbers(*drawn_numbers(seed, **options)) for seed in range(ROUNDS)]  # type: ignore[arg-type]
        print(line(name, np.mean(rows, axis=0)), flush=True)
    print(head("points", POINT_COLUMNS))
    for name, options in POINTS.items():
        rows = [points(*drawn_points(seed, **options)) for seed in range(POINT_ROUNDS)]  # type: ignore[arg-type]
        print(line(name, np.mean(rows, axis=0)), flush=True)
    speed()


if __name__ == "__main__":
    main(sys.argv[1:])
