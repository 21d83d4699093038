"""Are our labels more often right than others', how sure are they, what does that cost, and how few answers will do?

    python benchmarks/aggregate.py [--full] [FOLDER ...]

A folder holds answers.csv (task, worker, label) and truth.csv (task, label). Without one, all folders that lie in the
one that CROWDS names, if they have both files and fewer than 20 labels; without that, crowds are drawn. CROWDKIT names
a Python in which crowd-kit 1.4 is installed: everything then runs there, ours and theirs by turns.

Tables: how many labels are right (ties share the credit), with a tenth of the truth as gold, too, the mean of five
draws, each over the tasks that were not gold; what settings that were chosen on half of the crowds come to on the other
half; how far sure is from right; CPU seconds, and how much more crowd-kit takes; and replayed until each task is
certain, ten seeds, the share of the answers that is bought and the points lost against having all. With --full also
10,000,000 answers, in a process of their own: CPU seconds and peak memory.
"""

import csv
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # CPU is compared, one thread each

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import calibration, dawid_skene, labelling
from tasks.aggregation.buying import Policy, replay
from tasks.aggregation.votes import Floats, Ints, majority

try:
    import pandas  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from crowdkit.aggregation import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
        DawidSkene,
        OneCoinDawidSkene,
    )
except ImportError:
    DawidSkene = None

Answers = tuple[Ints, Ints, Ints, int, int, int]
Truth = dict[int, int]
DRAWS, SEEDS, SEEDS_DRAWN, CLASSES_MOST = 5, 10, 3, 20
SIZES = (10_000, 100_000, 1_000_000)  # answers, and how often each is timed
ROUNDS = {10_000: 15, 100_000: 7, 1_000_000: 3}
SETTINGS = {"STRENGTH": (2.0, 3.0, 4.0), "OWN_STRENGTH": (4.0, 8.0, 16.0), "SHARPNESS": (1.0, 1.2, 1.4)}
UNTIL = (0.90, 0.93, 0.95, 0.97, 0.98, 0.985, 0.99, 0.995)
WANTED = {"d_possent": 0.33, "rte": 0.62, "sp": 0.60}  # the share at which half a point may be lost


@dataclass
class Crowd:
    """Answers, what is right, and what each model makes of them."""

    name: str
    answers: Answers
    truth: Truth

    @cached_property
    def theirs(self) -> list[Floats]:
        """What the majority says and, where it is installed, crowd-kit's one coin and Dawid-Skene."""
        found = [majority(*self.answers)]
        if DawidSkene is not None:
            found += [peer(*self.answers, model=model) for model in (OneCoinDawidSkene, DawidSkene)]
        return found

    @cached_property
    def ours(self) -> Floats:
        return posterior(*self.answers)


def posterior(task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int) -> Floats:
    """Our probability of each class for each task, float[T, K]."""
    return dawid_skene.fit(task, worker, label, n_tasks, n_workers, n_classes).posterior


def peer(
    task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int, *, model: type = DawidSkene
) -> Floats:
    """Crowd-kit's, given a table that is ready."""
    table = pandas.DataFrame({"task": task, "worker": worker, "label": label})
    found = model(n_iter=100).fit_predict_proba(table)
    return found.reindex(index=range(n_tasks), columns=range(n_classes)).fillna(0.0).to_numpy()


def read(folder: Path) -> tuple[Answers, Truth]:
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


def found_in(home: Path) -> Iterator[Path]:
    """The folders in it that hold a crowd with classes: both files, three columns and two, and few labels."""
    for folder in sorted(home.iterdir()):
        if not all((folder / name).is_file() for name in ("answers.csv", "truth.csv")):
            continue
        answers, truth = _table(folder / "answers.csv"), _table(folder / "truth.csv")
        fits = all(len(row) == 3 for row in answers) and all(len(row) == 2 for row in truth)
        if fits and len({row[2] for row in answers}) < CLASSES_MOST:
            yield folder


def accuracy(guess: Floats, truth: Truth) -> float:
    """Share of tasks whose likeliest class is the true one; classes as likely as each other share the credit."""
    rows = guess[list(truth)]
    best = rows >= rows.max(axis=1, keepdims=True) - 1e-12
    right = best[np.arange(len(rows)), list(truth.values())]
    return float((right / best.sum(axis=1)).mean())


def drawn(n_tasks: int, seed: int = 1, *, n_classes: int = 4, guessing: float = 0.1, shared: float = 0.0) -> Crowd:
    """Five answers a task, of people who do much or little: some guess, some mistake all for a class of their own.

    shared  of the tasks: they look like another class to half of those who see them
    """
    rng = np.random.default_rng(seed)
    n_workers = max(20, n_tasks // 40)
    skill, favourite = rng.beta(6, 2.5, n_workers), rng.integers(0, n_classes, n_workers)
    skill[rng.random(n_workers) < guessing] = 1 / n_classes
    busy, common = rng.pareto(1.5, n_workers) + 0.2, np.arange(n_classes, 0, -1.0)
    truth, task = rng.choice(n_classes, n_tasks, p=common / common.sum()), np.repeat(np.arange(n_tasks), 5)
    worker = rng.choice(n_workers, len(task), p=busy / busy.sum())
    misleads = (rng.random(n_tasks) < shared)[task] & (rng.random(len(task)) < 0.5)
    seen = np.where(misleads, (truth[task] + 1) % n_classes, truth[task])
    wrong = np.where(rng.random(len(task)) < 0.5, favourite[worker], rng.integers(0, n_classes, len(task)))
    label = np.where(rng.random(len(task)) < skill[worker], seen, wrong)
    name = f"drawn, {guessing:.0%} guess" + (f", {shared:.0%} mislead" if shared else "")
    return Crowd(name, (task, worker, label, n_tasks, n_workers, n_classes), dict(enumerate(truth.tolist())))


def shown_as_gold(crowd: Crowd) -> Iterator[tuple[Ints, Truth]]:
    """A tenth of the truth as gold int[T], and the rest of it, drawn several times."""
    rows, classes = np.array(list(crowd.truth)), np.array(list(crowd.truth.values()))
    for draw in range(DRAWS):
        is_shown = np.random.default_rng(draw).permutation(len(rows)) < max(1, len(rows) // 10)
        gold = np.full(crowd.answers[3], -1)
        gold[rows[is_shown]] = classes[is_shown]
        yield gold, dict(zip(rows[~is_shown].tolist(), classes[~is_shown].tolist(), strict=True))


def right(crowds: list[Crowd]) -> None:
    """How many labels are right, without gold and with: ours beside the best of the others."""
    others = ("majority", "one coin", "D&S")[: len(crowds[0].theirs)]
    heads = [*others, "ours", "points", "gold: ours", "points"]
    print(f"\n{'labels that are right':30} {'answers':>9} " + " ".join(f"{head:>10}" for head in heads))
    table = []
    for crowd in crowds:
        theirs = [accuracy(each, crowd.truth) for each in crowd.theirs]
        ours, with_gold = accuracy(crowd.ours, crowd.truth), []
        for gold, rest in shown_as_gold(crowd):
            made = labelling.label(*crowd.answers, gold=gold).posterior
            best = max(accuracy(each, rest) for each in crowd.theirs)
            with_gold.append((accuracy(made, rest), 100 * (accuracy(made, rest) - best)))
        table.append([*theirs, ours, 100 * (ours - max(theirs)), *np.mean(with_gold, axis=0)])
        print(f"{crowd.name:30} {len(crowd.answers[0]):9,} " + _figures(table[-1]), flush=True)
    worst = min(row[-3] for row in table), min(row[-1] for row in table)
    print(f"{'mean':40} {_figures(np.mean(table, axis=0))}")
    print(f"points: against the best of the others; the worst are {worst[0]:+.2f}, with gold {worst[1]:+.2f}")


def _figures(row: Sequence[float]) -> str:
    """The last and the last but two are points, the rest shares."""
    forms = ["10.4f"] * (len(row) - 3) + ["+10.2f", "10.4f", "+10.2f"]
    return " ".join(format(value, form) for value, form in zip(row, forms, strict=True))


def halves(crowds: list[Crowd]) -> None:
    """Settings chosen on half of the crowds, and reported on the other half: every way to halve them, both ways."""
    if len(crowds) < 4:
        return
    grid = list(itertools.product(*SETTINGS.values()))
    table = np.array([[accuracy(_with(crowd, setting), crowd.truth) for crowd in crowds] for setting in grid])
    reported, count = [], len(crowds)
    for chosen in itertools.combinations(range(1, count), count // 2):  # the first crowd lies in the other half
        half = np.isin(np.arange(count), chosen)
        best, other = table[:, half].mean(axis=1).argmax(), table[:, ~half].mean(axis=1).argmax()
        reported.append((table[best, ~half].sum() + table[other, half].sum()) / count)
    usual = grid.index(tuple(getattr(dawid_skene, name) for name in SETTINGS))
    print(f"\nsettings of one half on the other, {len(grid)} settings, {len(reported)} halves: {np.mean(reported):.4f}")
    print(f"  ({min(reported):.4f} to {max(reported):.4f}; the settings in use {table[usual].mean():.4f})")


def _with(crowd: Crowd, setting: tuple[float, ...]) -> Floats:
    before = {name: getattr(dawid_skene, name) for name in SETTINGS}
    try:
        for name, value in zip(SETTINGS, setting, strict=True):
            setattr(dawid_skene, name, value)
        return posterior(*crowd.answers)
    finally:
        for name, value in before.items():
            setattr(dawid_skene, name, value)


def sure(crowds: list[Crowd]) -> None:
    """How far sure is from right, in ten steps: as the fit has it, and calibrated on a tenth of the truth."""
    print(f"\n{'sure against right':30} {'fit':>8} {'calibrated':>10} {'by chance':>10}")
    table = []
    for crowd in crowds:
        figures = []
        for gold, rest in shown_as_gold(crowd):
            made, rows = labelling.label(*crowd.answers, gold=gold), list(rest)
            truth = np.array(list(rest.values()))
            both = [calibration.bins(each[rows], truth).error() for each in (made.fit.posterior, made.posterior)]
            figures.append([*(error or 0.0 for error in both), _chance(made.posterior[rows])])
        table.append(np.mean(figures, axis=0))
        print(f"{crowd.name:30} {table[-1][0]:8.4f} {table[-1][1]:10.4f} {table[-1][2]:10.4f}", flush=True)
    mean = np.mean(table, axis=0)
    print(f"{'mean':30} {mean[0]:8.4f} {mean[1]:10.4f} {mean[2]:10.4f}")


def _chance(made: Floats, times: int = 20) -> float:
    """The error that so many tasks would show if each were right exactly as often as it is sure."""
    rng, sure = np.random.default_rng(0), made.max(axis=1)
    best = made.argmax(axis=1)
    errors = []
    for _ in range(times):
        truth = np.where(rng.random(len(sure)) < sure, best, (best + 1) % made.shape[1])
        errors.append(calibration.bins(made, truth).error() or 0.0)
    return float(np.mean(errors))


def cpu_s(function: Callable[..., Floats], answers: Answers) -> float:
    """CPU seconds of one call."""
    start = time.process_time_ns()
    function(*answers)
    return max(time.process_time_ns() - start, 1) / 1e9


def cost(full: bool) -> None:
    """CPU seconds of ours; all are timed by turns, and the median ratio counts."""
    print(f"\n{'CPU seconds':>13} {'ours':>8} {'/ majority':>10} {'crowd-kit /':>11}")
    for size in SIZES:
        answers = drawn(size // 5).answers
        models = [majority, posterior] if DawidSkene is None else [majority, posterior, peer]
        timed = [[cpu_s(model, answers) for model in models] for _ in range(ROUNDS[size])]
        over = statistics.median(t[1] / t[0] for t in timed)
        under = f"{statistics.median(t[2] / t[1] for t in timed):10.1f}x" if DawidSkene else f"{'-':>11}"
        print(f"{size:13,} {statistics.median(t[1] for t in timed):8.4f} {over:9.1f}x {under}", flush=True)
    if full:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "answers.npz"
            task, worker, label, *sizes = drawn(2_000_000).answers
            np.savez(path, task=task, worker=worker, label=label, sizes=sizes)
            del task, worker, label
            subprocess.run([sys.executable, __file__, "--alone", str(path)], check=True)


def alone(path: str) -> None:
    """Fit what lies in this file, and say what that took, the process and its arrays included."""
    held = np.load(path)
    answers = (held["task"], held["worker"], held["label"], *held["sizes"].tolist())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = cpu_s(posterior, answers)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(answers[0]):13,} {seconds:8.4f}   peak {peak / 1e6:.2f} GB, {before / 1e6:.2f} of it the answers")


def bought(crowds: list[Crowd], seeds: int) -> None:
    """What is bought until each task is certain, and what that loses."""
    print(f"\n{'bought, points lost':30} {'all':>7} " + " ".join(f"{f'until {target:g}':>12}" for target in UNTIL))
    for crowd, experts in ((crowd, experts) for crowd in crowds for experts in (False, True)):
        full, shares, gains = accuracy(crowd.ours, crowd.truth), [], []
        for target in UNTIL:
            policy = Policy(2, len(crowd.answers[0]), target, experts=experts)
            runs = [replay(*crowd.answers, policy=policy, seed=seed) for seed in range(seeds)]
            shares.append(statistics.mean(run.bought.sum() / len(crowd.answers[0]) for run in runs))
            gains.append(100 * (statistics.mean(accuracy(run.posterior, crowd.truth) for run in runs) - full))
        cells = " ".join(f"{share:6.1%} {gain:+5.2f}" for share, gain in zip(shares, gains, strict=True))
        wanted = WANTED.get(crowd.name)
        between = f"   at {wanted:.0%}: {np.interp(wanted, shares, gains):+.2f}" if wanted else ""
        name = f"{crowd.name}, experts first" if experts else crowd.name
        print(f"{name:30} {full:7.4f} {cells}{between}", flush=True)


def main(asked: list[str]) -> None:
    """Print the tables."""
    folders = [Path(name) for name in asked if name != "--full"]
    if not folders and "CROWDS" in os.environ:
        folders = list(found_in(Path(os.environ["CROWDS"])))
    crowds = [Crowd(folder.name, *read(folder)) for folder in folders]
    if not crowds:
        crowds = [drawn(1_000), drawn(1_000, n_classes=2, guessing=0.4), drawn(1_000, n_classes=3, shared=0.3)]
    print("crowd-kit: " + ("by turns with ours" if DawidSkene else "not installed here; CROWDKIT may name its Python"))
    right(crowds)
    halves(crowds)
    sure(crowds)
    bought([crowd for crowd in crowds if crowd.name in WANTED] or crowds[:4], SEEDS if folders else SEEDS_DRAWN)
    cost("--full" in asked)


if __name__ == "__main__":
    if DawidSkene is None and os.environ.get("CROWDKIT"):
        os.execve(os.environ["CROWDKIT"], [os.environ["CROWDKIT"], *sys.argv], {**os.environ, "CROWDKIT": ""})
    if sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2])
    else:
        main(sys.argv[1:])
