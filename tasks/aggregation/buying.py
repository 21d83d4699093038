"""How many answers to buy: a crowd whose answers are all there, asked again as a policy would have asked it."""

from dataclasses import dataclass

import numpy as np

from tasks.aggregation import dawid_skene
from tasks.aggregation.dawid_skene import Fit
from tasks.aggregation.gains import gains, likeliest
from tasks.aggregation.votes import Floats, Ints, Votes, ordered

LOOKS = 60  # at the answers in one run, about: as often a project of some weeks looks at its own
PORTION = 0.1  # of the tasks: buying by gain buys so many answers, and then looks again where the next are worth most
SURE_LEAST = 2  # one worker alone is never sure enough


@dataclass(frozen=True, slots=True)
class Policy:
    """When a task has enough answers, and which come first where money is short.

    least, most  answers bought of each task at first, and at most
    target       how certain a task must be to need no more; None: it gets the most
    budget       answers bought of all tasks together, at most; None: what the tasks need
    by_gain      the next answers go where they are worth most, and not to those with the fewest
    experts      of those who may answer next, those better than most at the two likeliest classes come first
    """

    least: int
    most: int
    target: float | None = None
    budget: int | None = None
    by_gain: bool = False
    experts: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy buys.

    posterior  float[T, K]  of the labels from what was bought
    bought     int[T]       answers of each task
    settled    bool[T]      whether the task was ever certain enough, looked at between purchases
    """

    posterior: Floats
    bought: Ints
    settled: np.ndarray


def replay(
    task: Ints, worker: Ints, label: Ints, n_tasks: int, n_workers: int, n_classes: int, *, policy: Policy, seed: int
) -> Replay:
    """Buy answers as the policy says, each task's in an order drawn by the seed; the truth is not looked at.

    With a larger budget the first purchases are the same.

    task, worker, label  int[N]  codes from 0
    raises  ValueError  codes out of range, or a policy that asks for fewer answers than none
    """
    if not 1 <= policy.least <= policy.most:
        raise ValueError("a task gets one answer at least, and no fewer at most than at least")
    shop = _Shop(ordered(task, worker, label, n_tasks, n_workers, n_classes), policy, np.random.default_rng(seed))
    settled = np.zeros(n_tasks, bool)
    while True:
        fit = dawid_skene.fit(*shop.answers, n_tasks, n_workers, n_classes)
        if shop.left <= 0:
            break
        posterior = dawid_skene.posterior_given(*shop.answers, fit.confusions, fit.prior, n_tasks)
        enough = posterior.max(axis=1) >= (2.0 if policy.target is None else policy.target)
        enough &= shop.bought >= SURE_LEAST
        settled |= enough
        wanting = np.flatnonzero(~enough & (shop.bought < shop.most))
        if not len(wanting):
            break
        shop.buy_more(wanting, fit, posterior)
    return Replay(fit.posterior, shop.bought, settled)


class _Shop:
    """What is bought so far, of whom, and what may still be spent.

    bought, most  int[T]   answers of each task, and how many it can have
    taken         bool[N]  which answers these are
    """

    def __init__(self, votes: Votes, policy: Policy, luck: np.random.Generator) -> None:
        self.votes, self.policy = votes, policy
        self.turn = _turns(votes.task, luck)
        self.most = np.minimum(np.bincount(votes.task, minlength=votes.n_tasks), policy.most)
        self.left = len(votes.task) if policy.budget is None else policy.budget
        self.bought, self.order = np.zeros(votes.n_tasks, np.int64), luck.random(votes.n_tasks)
        self.taken = np.zeros(len(votes.task), bool)
        step = votes.n_tasks * PORTION if policy.by_gain else len(votes.task) / LOOKS
        self.step = max(1, int(step))
        for count in range(1, policy.least + 1):  # one after the other, so that a larger budget begins alike
            self._buy(np.arange(votes.n_tasks), np.minimum(count, self.most), self.left, self.order)

    @property
    def answers(self) -> tuple[Ints, Ints, Ints]:
        return self.votes.task[self.taken], self.votes.worker[self.taken], self.votes.label[self.taken]

    def buy_more(self, wanting: Ints, fit: Fit, posterior: Floats) -> None:
        """One more answer of each of these tasks, as far as this step goes."""
        first = -gains(posterior[wanting], fit.pooled) if self.policy.by_gain else self.bought[wanting]
        better = _better(self.votes, fit, posterior) if self.policy.experts else None
        self._buy(wanting, self.bought[wanting] + 1, min(self.step, self.left), first, better)

    def _buy(
        self, tasks: Ints, wanted: Ints, left: int, first: Floats | Ints, better: np.ndarray | None = None
    ) -> None:
        """Raise what is bought of these tasks as far as the money goes, in this order."""
        turns = np.lexsort((self.order[tasks], self.bought[tasks], first))
        cost = wanted[turns] - self.bought[tasks[turns]]
        paid = turns[np.cumsum(cost) <= left]
        more = np.zeros(self.votes.n_tasks, np.int64)
        more[tasks[paid]] = wanted[paid] - self.bought[tasks[paid]]
        self._take(more, better)
        self.bought += more
        self.left -= int(more.sum())

    def _take(self, more: Ints, better: np.ndarray | None) -> None:
        """So many more answers of each task: of those left, the better ones first, then as they were drawn."""
        rest = np.flatnonzero(~self.taken & (more[self.votes.task] > 0))
        worse = np.zeros(len(rest), bool) if better is None else ~better[rest]
        queue = rest[np.lexsort((self.turn[rest], worse, self.votes.task[rest]))]
        task = self.votes.task[queue]
        place = np.arange(len(task)) - np.searchsorted(task, task)
        self.taken[queue[place < more[task]]] = True


def _turns(task: Ints, luck: np.random.Generator) -> Ints:
    """The turn of each answer among those to its task, int[N], drawn."""
    drawn = np.lexsort((luck.random(len(task)), task))
    starts = np.concatenate([[0], np.cumsum(np.bincount(task))])
    turn = np.empty(len(task), np.int64)
    turn[drawn] = np.arange(len(task)) - starts[task[drawn]]
    return turn


def _better(votes: Votes, fit: Fit, posterior: Floats) -> np.ndarray:
    """Whether each answer, bool[N], is of somebody who is right more often than the crowd about both likely classes."""
    first, second = (classes[votes.task] for classes in likeliest(posterior))
    more = np.diagonal(fit.confusions, axis1=1, axis2=2) > np.diagonal(fit.pooled)
    return more[votes.worker, first] & more[votes.worker, second]
