"""Are our labels more often right than the majority's, and what does that cost?

    python benchmarks/aggregate.py [--full] [FOLDER ...]

A folder holds answers.csv (task, worker, label) and truth.csv (task, label); without one, crowds are drawn, of up to
1,000,000 answers (with --full: 5,000,000). One line each: the share of labels that are right (ties share the credit)
for the majority and for ours, and our CPU time, also over the majority's in this run.
"""

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import dawid_skene
from tasks.aggregation.votes import Floats, Ints, majority

Answers = tuple[Ints, Ints, Ints, int, int, int]
ROUNDS = 5


def posterior(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int) -> Floats:
    """Our probability of each class for each task, float[T, K]."""
    return dawid_skene.fit(task, worker, label, n_tasks, n_workers, n_classes).posterior


def read(folder: Path) -> tuple[Answers, dict[int, int]]:
    """The answers of a folder as codes, and the true class of its tasks that have one."""
    rows, truths = _table(folder / "answers.csv"), _table(folder / "truth.csv")
    classes = _codes([label for _, _, label in rows] + [label for _, label in truths])
    tasks, workers = _codes([row[0] for row in rows]), _codes([row[1] for row in rows])
    answers = np.array([(tasks[t], workers[w], classes[label]) for t, w, label in rows], np.int64)
    truth = {tasks[t]: classes[label] for t, label in truths if t in tasks}
    return (*answers.T, len(tasks), len(workers), len(classes)), truth


def _table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _codes(names: list[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(sorted(set(names)))}


def accuracy(guess: Floats, truth: dict[int, int]) -> float:
    """Share of tasks whose likeliest class is the true one; classes as likely as each other share the credit."""
    rows = guess[list(truth)]
    best = rows >= rows.max(axis=1, keepdims=True) - 1e-12
    right = best[np.arange(len(rows)), list(truth.values())]
    return float((right / best.sum(axis=1)).mean())


def drawn(n_tasks: int, seed: int = 1) -> tuple[Answers, dict[int, int]]:
    """Five answers a task of four classes, a tenth of the workers guessing, and the truth."""
    rng = np.random.default_rng(seed)
    n_workers = max(20, n_tasks // 40)
    skill = np.where(rng.random(n_workers) < 0.1, 0.25, rng.beta(6, 2.5, n_workers))
    truth, task = rng.integers(0, 4, n_tasks), np.repeat(np.arange(n_tasks), 5)
    worker = rng.integers(0, n_workers, len(task))
    label = np.where(rng.random(len(task)) < skill[worker], truth[task], rng.integers(0, 4, len(task)))
    return (task, worker, label, n_tasks, n_workers, 4), dict(enumerate(truth.tolist()))


def cpu_s(function: Callable[..., Floats], answers: Answers) -> float:
    """CPU seconds of one call."""
    start = time.process_time_ns()
    function(*answers)
    return max(time.process_time_ns() - start, 1) / 1e9


def line(name: str, answers: Answers, truth: dict[int, int]) -> str:
    """One row of the table; the two are timed back to back, and the median ratio counts."""
    right = [accuracy(function(*answers), truth) for function in (majority, posterior)]
    pairs = [(cpu_s(posterior, answers), cpu_s(majority, answers)) for _ in range(ROUNDS)]
    seconds, ratio = statistics.median(ours for ours, _ in pairs), statistics.median(a / b for a, b in pairs)
    return f"{name:20} {len(answers[0]):9,} {answers[5]:7} {right[0]:8.4f} {right[1]:8.4f} {seconds:8.3f} {ratio:6.1f}x"


def main(asked: list[str]) -> None:
    """Print the table."""
    folders = [name for name in asked if name != "--full"]
    sizes = (2_000, 20_000, 200_000, 1_000_000) if "--full" in asked else (2_000, 20_000, 200_000)
    print(f"{'crowd':20} {'answers':>9} {'classes':>7} {'majority':>8} {'ours':>8} {'CPU s':>8} {'ratio':>7}")
    for folder in folders:
        print(line(Path(folder).name, *read(Path(folder))), flush=True)
    for n_tasks in () if folders else sizes:
        print(line("drawn", *drawn(n_tasks)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
