"""The pictures of docs/labels.md, each drawn from what the code makes of answers that are drawn from a seed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from django.conf import settings
from django.template.loader import render_to_string
from scipy.stats import beta

from tasks import simulation
from tasks.aggregation import calibration, dawid_skene, labelling, votes
from tasks.aggregation.buying import Policy
from tasks.aggregation.votes import Floats, Ints
from tasks.simulation import Crowd
from tasks.web import chart, curves
from tasks.web.curves import Named

PLACE = settings.ROOT / "docs" / "pictures"
CLASSES = ("cat", "dog")
FIVE = (("Ann", 0.95, 0), ("Ben", 0.90, 0), ("Cem", 0.65, 1), ("Dia", 0.60, 1), ("Eva", 0.60, 1))  # right how often
OPINIONS = (("funny", 14), ("rude", 9), ("neither", 2))
LABELS, KNOWN = 5_000, 300  # tasks of a drawn crowd, and of them gold
FEWER = 1_200  # tasks of each crowd that is drawn again and again
MISLEADING = 0.4  # of the tasks
GOLD, GOLD_SEEDS = (0, 10, 20, 30, 40, 50, 75, 100, 150), range(8)
SEEDS = range(2)


def everything() -> dict[str, Callable[[], str]]:
    """Name of the file -> what draws it."""
    return {"votes.svg": five, "sure.svg": sure, "price.svg": price, "gold.svg": gold, "opinions.svg": opinions}


def sure() -> str:
    return curves.draw("How often labels are right, by how sure they are", "how sure", sure_and_right(), of_shares=True)


def price() -> str:
    title = "How many labels are right, by how many answers are bought of each task"
    return curves.draw(title, "answers bought of a task, on average", bought_and_right())


def gold() -> str:
    title = "How many labels are right where most people make the same mistake, by how many answers are known"
    return curves.draw(title, "tasks whose answer is known", known_and_right())


def write(folder: Path) -> list[Path]:
    """Draw all of them into this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in everything().items():
        (folder / name).write_text(draw(), encoding="utf-8")
    return [folder / name for name in everything()]


def five() -> str:
    """Five answers to one task: counted, and weighed by how often each worker is right."""
    right = np.array([accuracy for _, accuracy, _ in FIVE])
    said = np.array([label for *_, label in FIVE])
    confusions = np.stack([np.stack([right, 1 - right], 1), np.stack([1 - right, right], 1)], 1)
    task, worker, even = np.zeros(len(FIVE), np.int64), np.arange(len(FIVE)), np.array([0.5, 0.5])
    posterior = dawid_skene.posterior_given(task, worker, said, confusions, even, 1)
    made = calibration.calibrated(posterior, calibration.USUAL)[0]
    weight = np.log(right / (1 - right))
    people = [
        {"name": name, "right": f"{accuracy * 100:.0f} %", "said": CLASSES[label], "width": round(110 * share, 1),
         "is_first": label == 0, "y": 40 + 24 * place}
        for place, ((name, accuracy, label), share) in enumerate(zip(FIVE, weight / weight.max(), strict=True))
    ]  # fmt: skip
    counted = np.bincount(said, minlength=2)
    sums = {
        "counted": f"Counted: {CLASSES[counted.argmax()]}, {counted.max()} to {counted.min()}",
        "weighed": f"Weighed: {CLASSES[made.argmax()]}, {made.max() * 100:.0f} % sure",
    }
    return render_to_string("tasks/pictures/votes.svg", {"people": people, **sums})


def sure_and_right() -> Named:
    """How often labels are right, by how sure they are: as the model has it, and calibrated on gold."""
    crowd, turn = _misled(1)
    made = labelling.label(*crowd.answers, gold=np.where(turn < KNOWN, crowd.truth, -1))
    rest = turn >= KNOWN
    return {
        "what the model says by itself": _steps(made.fit.posterior[rest], crowd.truth[rest]),
        "calibrated on known answers": _steps(made.posterior[rest], crowd.truth[rest]),
        "as sure as right": [(0.5, 0.5), (1.0, 1.0)],
    }


def bought_and_right() -> Named:
    """How many labels are right, by how many answers are bought of a task: fixed, and until it is certain."""
    crowd, deepest = simulation.drawn(500, seed=1), 9
    fixed = [Policy(count, count) for count in (1, 2, 3, 5, 7, 9)]
    until = [Policy(2, deepest, target) for target in (0.8, 0.9, 0.95, 0.98, 0.99)]
    lines = {"the same number each": fixed, "until it is certain": until}
    trials = {name: [simulation.trial(crowd, policy, SEEDS) for policy in tried] for name, tried in lines.items()}
    return {name: [(one.answers, one.right) for one in each] for name, each in trials.items()}


def known_and_right() -> Named:
    """How many labels are right where most people make the same mistake, by how many answers are known."""
    shares = {"counting answers": np.zeros(len(GOLD)), "weighing them": np.zeros(len(GOLD))}
    for seed in GOLD_SEEDS:
        crowd, turn = _one_mistake(seed)
        rest = turn >= max(GOLD)
        for place, count in enumerate(GOLD):
            made = labelling.label(*crowd.answers, gold=np.where(turn < count, crowd.truth, -1))
            for name, posterior in zip(shares, (votes.majority(*crowd.answers), made.posterior), strict=True):
                right = posterior[rest].argmax(axis=1) == crowd.truth[rest]
                shares[name][place] += right.mean() / len(GOLD_SEEDS)
    return {name: list(zip(map(float, GOLD), share.tolist(), strict=True)) for name, share in shares.items()}


def opinions() -> str:
    facts = {"picture": chart.intervals(thought()), "total": sum(count for _, count in OPINIONS)}
    return render_to_string("tasks/pictures/opinions.svg", facts)


def thought() -> list[tuple[str, float, float, float]]:
    """What 25 people think: where the share of each opinion begins, its middle and its end, nine times in ten."""
    total = sum(count for _, count in OPINIONS)
    rows = []
    for name, count in OPINIONS:
        low, middle, high = beta.ppf((0.05, 0.5, 0.95), count + 0.5, total - count + 0.5).tolist()
        rows.append((name, low, middle, high))
    return rows


def _misled(seed: int) -> tuple[Crowd, Ints]:
    """Four answers to each task of two classes, some of which look like the other class to many; and a drawn order."""
    luck = np.random.default_rng(seed)
    truth, task = luck.integers(0, 2, LABELS), np.repeat(np.arange(LABELS), 4)
    worker = np.argsort(luck.random((LABELS, 40)), axis=1)[:, :4].ravel()
    misleads = np.where(luck.random(LABELS) < MISLEADING, luck.random(LABELS), 0.0)
    is_right = luck.random(len(task)) < luck.uniform(0.75, 0.95, 40)[worker] * (1 - misleads[task])
    label = np.where(is_right, truth[task], 1 - truth[task])
    return Crowd(task, worker, label, LABELS, 40, 2, truth), luck.permutation(LABELS)


def _one_mistake(seed: int) -> tuple[Crowd, Ints]:
    """Five answers to each task of three classes; six of eight workers take the third for the second. And an order."""
    luck = np.random.default_rng(seed)
    truth, task = luck.integers(0, 3, FEWER), np.repeat(np.arange(FEWER), 5)
    worker = np.argsort(luck.random((FEWER, 8)), axis=1)[:, :5].ravel()
    is_right = luck.random(len(task)) < luck.uniform(0.6, 0.95, 8)[worker]
    label = np.where(is_right, truth[task], (truth[task] + luck.integers(1, 3, len(task))) % 3)
    label = np.where((worker < 6) & (truth[task] == 2), 1, label)
    return Crowd(task, worker, label, FEWER, 8, 3, truth), luck.permutation(FEWER)


def _steps(posterior: Floats, truth: Ints) -> list[tuple[float, float]]:
    """How sure and how often right, in steps of ten points that hold enough tasks to say so."""
    made = calibration.bins(posterior, truth)
    enough = made.tasks >= 20
    return list(zip(made.sure[enough].tolist(), made.right[enough].tolist(), strict=True))
