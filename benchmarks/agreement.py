"""Is alpha the textbook's, and are its interval and the pairs of workers there in seconds?

    python benchmarks/agreement.py [--full] [FOLDER ...]

A folder holds answers.csv (task, worker, label); without one, crowds are drawn, of up to 500,000 answers (with --full:
5,000,000). One line each: alpha of classes without order (of numbers, where all labels are numbers: interval) and its
95 % interval from 1,000 resamples of tasks; the CPU seconds of alpha alone, of the interval, and of comparing each two
workers who share ten tasks; the number of these pairs. With nltk installed, also how far its alpha is from ours (it
must be below 1e-9) and its time over ours.
"""

import csv
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import agreement, distances
from tasks.aggregation.votes import Floats, Ints
from tasks.aggregation.worker_pairs import worker_pairs

try:
    nltk: Any = import_module("nltk.metrics.agreement")  # no dependency of ours
    nltk_distance: Any = import_module("nltk.metrics.distance")
except ImportError:
    nltk = None

Codes = tuple[Ints, Ints, Ints, int, int]
NLTK_MOST = 200_000  # answers; it takes seconds for a hundred thousand


def read(folder: Path) -> tuple[Codes, Floats | None]:
    """Answers as codes, how many tasks and classes there are, and the numbers behind the classes, if they are."""
    with (folder / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = [row[:3] for row in csv.reader(file)][1:]
    columns = [np.unique(np.array(column), return_inverse=True) for column in zip(*rows, strict=True)]
    task, worker, label = (code for _, code in columns)
    names = columns[2][0]
    try:
        values, place = np.unique(names.astype(np.float64), return_inverse=True)
    except ValueError:
        return (task, worker, label, len(columns[0][0]), len(names)), None
    is_number = len(values) > 10  # fewer are codes of classes
    return (task, worker, place[label], len(columns[0][0]), len(values)), values if is_number else None


def drawn(n_tasks: int, each: int = 5, seed: int = 1) -> Codes:
    """Answers to tasks of four classes, of workers who are right three times in four, a few of whom do much."""
    rng = np.random.default_rng(seed)
    n_workers = max(20, n_tasks // 40)
    truth, task = rng.integers(0, 4, n_tasks), np.repeat(np.arange(n_tasks), each)
    worker = np.minimum(rng.pareto(1.0, len(task)) * n_workers / 50, n_workers - 1).astype(np.int64)
    label = np.where(rng.random(len(task)) < 0.67, truth[task], rng.integers(0, 4, len(task)))
    return task, worker, label, n_tasks, 4


def timed(function: Callable[..., Any], *given: Any, **options: Any) -> tuple[Any, float]:
    """What it returns, and the CPU seconds it took."""
    start = time.process_time_ns()
    result = function(*given, **options)
    return result, max(time.process_time_ns() - start, 1) / 1e9


def line(name: str, answers: Codes, values: Floats | None) -> str:
    """One row of the table."""
    task, worker, label, _, n_classes = answers
    distance = distances.NOMINAL if values is None else distances.interval(values)
    value, alone = timed(agreement.krippendorff_alpha, *answers, distance)
    found, with_interval = timed(agreement.alpha, *answers, distance)
    pairs, compared = timed(worker_pairs, *answers[:4], int(worker.max()) + 1, max(n_classes, 2))
    bounds = "-" if found.low is None else f"{found.low:.3f}..{found.high:.3f}"
    facts = f"{name:22} {len(task):9,} {value or np.nan:7.4f} {bounds:>14} {alone:8.3f} {with_interval:8.3f}"
    facts += f" {compared:8.3f} {len(pairs.one) + pairs.left_out:9,}"
    if nltk is None or len(task) > NLTK_MOST:
        return facts
    kept = np.unique(np.stack([task, worker, label], axis=1), axis=0)
    first = np.unique(kept[:, :2], axis=0, return_index=True)[1]  # it would count a worker's second answer too
    said = label if values is None else values
    triples = [(w, t, k if values is None else float(said[k])) for t, w, k in kept[first].tolist()]
    kind = nltk_distance.binary_distance if values is None else nltk_distance.interval_distance
    theirs, seconds = timed(lambda: nltk.AnnotationTask(triples, distance=kind).alpha())
    return f"{facts} {abs(theirs - value):9.1e} {seconds / alone:7.0f}x"


def main(asked: list[str]) -> None:
    """Print the table."""
    folders = [Path(name) for name in asked if name != "--full"]
    sizes = (2_000, 20_000, 100_000, *((1_000_000,) if "--full" in asked else ()))
    sides = "" if nltk is None else f" {'to nltk':>9} {'nltk':>8}"
    names = f"{'crowd':22} {'answers':>9} {'alpha':>7} {'95 %':>14} {'alpha s':>8} {'95 % s':>8}"
    names += f" {'pairs s':>8} {'pairs':>9}"
    print(names + sides)
    for folder in folders:
        print(line(folder.name, *read(folder)), flush=True)
    for n_tasks in () if folders else sizes:
        answers = drawn(n_tasks)
        print(line("drawn", answers, None), flush=True)
        numbers = np.random.default_rng(2).normal(answers[2], 1.0)
        values, codes = np.unique(numbers, return_inverse=True)
        print(line("drawn, numbers", (*answers[:2], codes, n_tasks, len(values)), values), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
