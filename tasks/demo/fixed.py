"""What a fixed number of answers for every task would have needed, asked of the same people, to be as often right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks import simulation
from tasks.aggregation import dawid_skene
from tasks.aggregation.votes import Floats, Ints, shares

MOST = 9  # answers of each task that are tried
SEEDS = range(3)

Asked = tuple[int, int, int]  # task, worker, class
Ask = Callable[[int, int], int]  # what a worker says of a task


@dataclass(frozen=True)
class Comparison:
    """Labels from what was bought, beside labels from the same number of answers for every task.

    bought  answers
    right   share of labels that are right, made from these answers alone
    tried   the largest number of answers of every task that was tried
    needed  answers of all tasks with which a fixed number is as often right; None: more than were tried
    """

    bought: int
    right: float
    tried: int
    needed: int | None

    def words(self) -> str:
        """In one sentence, whichever of the two is cheaper."""
        if self.needed is None:
            needed = f"more than {self.tried} of every task"
        else:
            needed = f"{self.needed:,}" if self.needed > self.bought else f"only {self.needed:,}"
        same = f"for the same accuracy, {self.right:.2%} without gold"
        return f"bought {self.bought:,} answers; fixed redundancy would have needed {needed} {same}"


def compare(given: Sequence[Asked], truth: Ints, n_workers: int, n_classes: int, ask: Ask) -> Comparison:
    """Replay the answers as a fixed redundancy would have bought them.

    The first answers of a task are those it got. Where it got fewer, others who worked are asked, those who did more
    more often; the mean of several draws counts.

    given  in the order they came, a worker no more than once a task
    truth  int[T]
    """
    got: list[list[Asked]] = [[] for _ in truth]
    for one in given:
        got[one[0]].append(one)
    did = np.bincount([worker for _, worker, _ in given], minlength=n_workers).astype(np.float64)
    tried = min(MOST, int((did > 0).sum()))

    def right(answers: list[list[Asked]]) -> float:
        task, worker, label = np.array([one for each in answers for one in each], np.int64).reshape(-1, 3).T
        fit = dawid_skene.fit(task, worker, label, len(truth), n_workers, n_classes)
        return simulation.share_right(fit.posterior, truth)

    more = [_with_others(got, did, tried, np.random.default_rng(seed), ask) for seed in SEEDS]
    counts = range(1, tried + 1)
    fixed = [(each, float(np.mean([right([task[:each] for task in one]) for one in more]))) for each in counts]
    number = simulation.as_fixed(fixed, right(got))
    return Comparison(len(given), right(got), tried, None if number is None else round(number * len(truth)))


def _with_others(
    got: list[list[Asked]], did: Floats, wanted: int, luck: np.random.Generator, ask: Ask
) -> list[list[Asked]]:
    """So many answers of each task: those it got, then those of others."""
    found = []
    for task, answers in enumerate(got):
        chance = did.copy()
        chance[[worker for _, worker, _ in answers]] = 0.0
        missing = min(wanted - len(answers), int((chance > 0).sum()))
        others = luck.choice(len(did), max(missing, 0), replace=False, p=shares(chance[None])[0]).tolist()
        found.append([*answers, *((task, worker, ask(task, worker)) for worker in others)])
    return found
