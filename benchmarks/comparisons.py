"""Do scores from comparisons rank items as the truth does, does knowing the workers help, and what does it cost?

    python benchmarks/comparisons.py [FOLDER ...]

A folder holds answers.csv (task, worker, left, right, label = the better item) and truth.csv (item, score, name);
without one, 100,000 comparisons are drawn (a fifth of the workers guess and a twentieth oppose; and a crowd in which
all are alike), and as many places in rankings of five. For each: Spearman's correlation with the true scores of the
share of comparisons won, of Bradley-Terry and of ours, which weighs workers too, and their CPU seconds (median of
ROUNDS). The last line of a crowd says how much more than Bradley-Terry we have on halves of its workers: mean and
standard deviation over DRAWS of them.
"""

import csv
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import comparisons
from tasks.aggregation.votes import Floats, Ints

Answers = tuple[Ints, Ints, Ints, Ints, int, int]
ROUNDS, DRAWS = 3, 20


def won(left: Ints, right: Ints, worker: Ints, outcome: Ints, n_items: int, n_workers: int) -> Floats:
    """The share of its comparisons that each item won, float[I]; a tie is half of a win."""
    wins = np.array([1.0, 0.0, 0.5])[outcome]
    total = np.bincount(left, wins, n_items) + np.bincount(right, 1.0 - wins, n_items)
    seen = np.bincount(left, minlength=n_items) + np.bincount(right, minlength=n_items)
    return np.where(seen > 0, total / np.maximum(seen, 1), 0.5)


def bradley_terry(*answers: *Answers) -> Floats:
    """Scores where all workers are alike and no side is preferred."""
    return comparisons.fit(*answers, weighed=False, sided=False).score


def weighed(*answers: *Answers) -> Floats:
    """Our scores."""
    return comparisons.fit(*answers).score


def read(folder: Path) -> tuple[Answers, Floats]:
    """The answers of a folder as codes, and the true scores."""
    rows, truths = _table(folder / "answers.csv"), _table(folder / "truth.csv")
    items, workers = _codes([row[0] for row in truths]), _codes([row[1] for row in rows])
    codes = [(items[left], items[right], workers[who], int(best != left)) for _, who, left, right, best in rows]
    score = np.zeros(len(items))
    score[[items[row[0]] for row in truths]] = [float(row[1]) for row in truths]
    left, right, worker, outcome = np.array(codes, np.int64).T
    return (left, right, worker, outcome, len(items), len(workers)), score


def _table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def _codes(names: list[str]) -> dict[str, int]:
    return {name: code for code, name in enumerate(sorted(set(names)))}


def drawn(bad: float, n: int = 100_000, n_items: int = 500, n_workers: int = 500) -> tuple[Answers, Floats]:
    """Comparisons with ties and a side, and the scores; a fifth of the bad workers oppose, the others guess."""
    rng = np.random.default_rng(1)
    score, trust = rng.normal(0, 1, n_items), rng.uniform(0.6, 1.0, n_workers) if bad else np.full(n_workers, 0.8)
    kind = rng.random(n_workers)
    trust[kind < bad], trust[kind < bad / 5] = 0.0, -0.8
    left, worker = rng.integers(0, n_items, n), rng.integers(0, n_workers, n)
    right = (left + rng.integers(1, n_items, n)) % n_items
    led = np.where(rng.random(n) < np.abs(trust[worker]), np.sign(trust[worker]), 0.0)
    gap = led * (score[left] - score[right]) + rng.normal(0.3, 0.2, n_workers)[worker]
    weights = np.stack([np.exp(gap / 2), np.exp(-gap / 2), np.full(n, 0.3)])
    outcome = (rng.random(n) * weights.sum(axis=0) > np.cumsum(weights, axis=0)).sum(axis=0)
    return (left, right, worker, outcome, n_items, n_workers), score


def cpu_s(function: Callable[..., object], *arguments: object) -> float:
    """Median CPU seconds of a call."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time_ns()
        function(*arguments)
        seconds.append((time.process_time_ns() - start) / 1e9)
    return statistics.median(seconds)


def spearman(scores: Floats, truth: Floats) -> float:
    """How well two sets of scores agree on the order."""
    return float(spearmanr(scores, truth).statistic)


def gains(answers: Answers, truth: Floats) -> list[float]:
    """How much more Spearman we have than Bradley-Terry, for halves of the workers."""
    left, right, worker, outcome, n_items, n_workers = answers
    rng, found = np.random.default_rng(2), []
    for _ in range(DRAWS):
        half = np.isin(worker, rng.permutation(n_workers)[: n_workers // 2])
        part = left[half], right[half], worker[half], outcome[half], n_items, n_workers
        found.append(spearman(weighed(*part), truth) - spearman(bradley_terry(*part), truth))
    return found


def report(name: str, answers: Answers, truth: Floats) -> None:
    """The lines of one crowd."""
    print(f"{name}: {len(answers[0]):,} comparisons of {answers[4]:,} items by {answers[5]:,} workers")
    for title, function in (("share won", won), ("bradley-terry", bradley_terry), ("ours", weighed)):
        print(f"  {title:14} {spearman(function(*answers), truth):7.4f} {cpu_s(function, *answers):8.3f} CPU s")
    found = gains(answers, truth)
    print(f"  half of the workers: {statistics.mean(found):+.4f}, +- {statistics.stdev(found):.4f}", flush=True)


def report_rankings(n: int = 20_000, n_items: int = 500, n_workers: int = 500) -> None:
    """The lines of drawn rankings of five items; a fifth of the workers guess."""
    rng = np.random.default_rng(3)
    score, worker = rng.normal(0, 1, n_items), rng.integers(0, n_workers, n)
    trust = np.where(rng.random(n_workers) < 0.2, 0.0, 1.0)
    shown = np.stack([rng.choice(n_items, 5, replace=False) for _ in range(n)])
    heights = trust[worker][:, None] * score[shown] + rng.gumbel(size=shown.shape)  # the order is Plackett-Luce's
    position = np.argsort(np.argsort(-heights, axis=1), axis=1)
    places = np.repeat(np.arange(n), 5), shown.ravel(), position.ravel(), worker, n_items, n_workers
    print(f"drawn: {n:,} rankings of five of {n_items:,} items by {n_workers:,} workers")
    for title, scored in (("plackett-luce", _alike), ("ours", _ranked)):
        print(f"  {title:14} {spearman(scored(*places), score):7.4f} {cpu_s(scored, *places):8.3f} CPU s", flush=True)


def _alike(*places: *Answers) -> Floats:
    return comparisons.rankings(*places, weighed=False).score


def _ranked(*places: *Answers) -> Floats:
    return comparisons.rankings(*places).score


def main(asked: list[str]) -> None:
    """Print the lines."""
    folders = [name for name in asked if name != "--full"]
    for folder in folders:
        report(Path(folder).name, *read(Path(folder)))
    if not folders:
        report("drawn, a quarter bad", *drawn(0.25))
        report("drawn, all alike", *drawn(0.0))
        report_rankings()


if __name__ == "__main__":
    main(sys.argv[1:])
