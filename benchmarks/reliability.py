"""Do our estimates rank workers as their real accuracies do, better than agreement with the majority does?

    python benchmarks/reliability.py [FOLDER ...]

A folder is as `benchmarks/aggregate.py` reads it; without one, `rte` and `d_possent` are looked for in
`../shared/data/crowd`. Ten times 5 % of the truth is drawn as gold. One line each: the Spearman correlation with each
worker's real accuracy, mean of the ten draws, of agreement with the majority (ties share the credit) and of ours: gold
graded, all else weighed by consensus with the gold known, and the posterior mean of that. Ours must be higher.
"""

import statistics
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.aggregate import Answers, read
from tasks.aggregation import dawid_skene
from tasks.aggregation.votes import Floats, Ints, majority
from workers import scoring

CROWDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "crowd"
RECORDED = ("rte", "d_possent")
GOLD_SHARE, DRAWS = 0.05, 10


def estimated(answers: Answers, gold: Ints) -> Floats:
    """What the site would say of each worker's accuracy, float[W]; gold as in dawid_skene.fit."""
    task, worker, label, _, n_workers, _ = answers
    fit = dawid_skene.fit(*answers, gold=gold)
    graded = gold[task] >= 0
    correct = np.where(
        graded, label == gold[task], fit.posterior[task, label]
    )  # evidence, as gold and consensus give it
    right, judged = np.bincount(worker, correct, n_workers), np.bincount(worker, minlength=n_workers)
    return scoring.posterior_accuracy(right, judged, scoring.prior(right, judged)).mean


def agreed(answers: Answers) -> Floats:
    """The share of each worker's answers that the majority gave, float[W]."""
    task, worker, label, _, n_workers, _ = answers
    shares = majority(*answers)
    best = shares >= shares.max(axis=1, keepdims=True) - 1e-12
    credit = (best / best.sum(axis=1, keepdims=True))[task, label]
    return np.bincount(worker, credit, n_workers) / np.maximum(np.bincount(worker, minlength=n_workers), 1)


def compared(answers: Answers, truth: dict[int, int], seed: int) -> tuple[float, float]:
    """Spearman's correlation with the real accuracies: of agreement with the majority, and of ours."""
    task, worker, label, n_tasks, n_workers, _ = answers
    known = np.full(n_tasks, -1, np.int64)
    known[list(truth)] = list(truth.values())
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.flatnonzero(known >= 0), max(round(GOLD_SHARE * len(truth)), 1), replace=False)
    gold = np.full(n_tasks, -1, np.int64)
    gold[drawn] = known[drawn]
    judged = known[task] >= 0
    n = np.bincount(worker[judged], minlength=n_workers)
    real = np.bincount(worker[judged], (label == known[task])[judged], n_workers) / np.maximum(n, 1)
    rows = n > 0
    by_majority, by_ours = (
        float(spearmanr(estimate[rows], real[rows]).statistic)
        for estimate in (agreed(answers), estimated(answers, gold))
    )
    return by_majority, by_ours


def line(name: str, answers: Answers, truth: dict[int, int]) -> str:
    """One row of the table."""
    draws = [compared(answers, truth, seed) for seed in range(DRAWS)]
    by_majority, by_ours = (statistics.mean(values) for values in zip(*draws, strict=True))
    spread = statistics.stdev(ours for _, ours in draws)
    facts = f"{name:20} {len(answers[0]):9,} {answers[4]:7} {by_majority:8.4f} {by_ours:8.4f}"
    return f"{facts} {spread:8.4f} {by_ours - by_majority:+10.4f}"


def main(asked: list[str]) -> None:
    """Print the table."""
    named = [Path(name) for name in asked if name != "--full"]
    folders = [path for path in named or [CROWDS / name for name in RECORDED] if (path / "answers.csv").exists()]
    if not folders:
        print("no recorded crowd here: name a folder with answers.csv and truth.csv")
        return
    print(f"{'crowd':20} {'answers':>9} {'workers':>7} {'majority':>8} {'ours':>8} {'spread':>8} {'difference':>10}")
    for folder in folders:
        print(line(folder.name, *read(folder)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
