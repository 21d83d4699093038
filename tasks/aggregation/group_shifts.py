"""How answers of a group of workers differ from everybody else's to the same tasks: the bias report, as arrays.

What somebody said of herself must not be read from it, so

* a group is shown where at least k of its members answered and none of them gave more than half of its answers; the
  others are withheld, and so are those who said nothing of themselves;
* all who are withheld are one crowd, and no figure is made of fewer than all of them. Who subtracts all that is shown
  from all that is known gets that crowd, so it is nobody or at least k: where it is smaller, the smallest group that
  could be shown is withheld too, until it is large enough;
* a group is compared only where the first holds for both sides of the tasks compared, so that "all others" is not two
  people;
* classes that fewer than k workers ever said are withheld for all groups alike: a share above 0 would say which group
  the only one belongs to. They too are one crowd, with the next rarest class if need be;
* no count of answers is given, and shares are means over tasks, each task the same, on tasks that differ from group to
  group: they cannot be added up to totals. All of them are whole percents.

What this does not do: two reports of nearly the same answers can be subtracted, so show it for closed batches, not
after each answer; one worker's groups by two questions (age, language) are two reports; a share of 0 says that nobody
who gave that class is in the group; and whoever has every answer with the pseudonym of its worker can try which workers
fit a group's shares, so it is not for them.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, hstack

from tasks.aggregation import bootstrap
from tasks.aggregation.agreement import one_each
from tasks.aggregation.distances import Bools
from tasks.aggregation.votes import Floats, Ints, Votes, ordered

LEAST_WORKERS = 5  # k: members who answered
MOST_OF_ONE = 0.5  # of the answers of a group; with more, its shares are those of one person
DECIMALS = 2  # of shares, differences and their bounds: whole percents


@dataclass(frozen=True, slots=True)
class GroupShifts:
    """The groups that may be shown, against everybody else on the tasks that both answered.

    group     int[G]        codes of the groups that are shown
    workers   int[G]        members who answered, at least k
    tasks     int[G]        tasks that a member and somebody else answered
    classes   int[C]        codes of the classes that are shown; the shares of a group lack the others
    share     float[G, C]   how the group answered these tasks: mean over tasks of the part of its answers; nan where
                            either side has fewer than k workers there, or one who gave more than half of it
    others    float[G, C]   how everybody else answered the same tasks; nan as share
    shift     float[G, C]   share - others, before they are rounded
    low, high float[G, C]   95 % of resamples of tasks have the shift between; nan also where tasks are fewer than
                            bootstrap.LEAST_TASKS, or all alike
    variation float[G]      half the sum of all shifts without their sign, 0..1, classes withheld taken as one
    by_chance float[G]      what variation chance alone would show on these tasks, from the resamples: variation is
                            never below 0, so it says something only where it is well above this; nan as low
    withheld  bool          whether there is any group or person of whom nothing is shown
    """

    group: Ints
    workers: Ints
    tasks: Ints
    classes: Ints
    share: Floats
    others: Floats
    shift: Floats
    low: Floats
    high: Floats
    variation: Floats
    by_chance: Floats
    withheld: bool


def group_shifts(
    task: Ints,
    worker: Ints,
    label: Ints,
    group: Ints,
    n_tasks: int,
    n_workers: int,
    n_classes: int,
    n_groups: int,
    *,
    least_workers: int = LEAST_WORKERS,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
) -> GroupShifts:
    """Compare the answers of each group that may be shown with everybody else's to the same tasks.

    The intervals speak of other tasks, not of other members: they do not say that people of this group answer so.
    A worker who answers a task twice counts once there (by the smaller class).

    task, worker, label  int[N]  codes from 0, in any order
    group          int[W]  what each worker said of herself, from 0 to n_groups - 1; -1 = nothing, or not for this
    least_workers  k, 2 or more
    raises         ValueError  codes out of range, arrays that do not fit together
    """
    if least_workers < 2:
        raise ValueError("least_workers must be 2 or more")
    said = np.asarray(group)
    if said.shape != (n_workers,) or (said.size and (said.dtype.kind not in "iu" or said.min() < -1)):
        raise ValueError("group must be an integer for each worker, or -1")
    if said.max(initial=-1) >= n_groups:
        raise ValueError("a group is out of range")
    votes = one_each(ordered(task, worker, label, n_tasks, n_workers, n_classes))
    said = said.astype(np.int64)
    shown, members, withheld = _shown_groups(votes, said, n_groups, least_workers)
    classes = _shown_classes(votes, least_workers)
    column = np.full(n_classes, len(classes))  # all classes withheld are one, the last
    column[classes] = np.arange(len(classes))
    rows = [_row(votes, said == one, column, len(classes) + 1, least_workers, seed, resamples) for one in shown]
    figures = np.stack([row.figures for row in rows]) if rows else np.zeros((0, 5, len(classes) + 1))
    variation, by_chance = (
        np.array([getattr(row, name) for row in rows], np.float64) for name in ("variation", "by_chance")
    )
    tasks = np.array([row.tasks for row in rows], np.int64)
    share, others, shift, low, high = np.round(figures[:, :, :-1], DECIMALS).transpose(1, 0, 2) + 0.0  # no -0.0
    return GroupShifts(
        shown,
        members[shown],
        tasks,
        classes,
        share,
        others,
        shift,
        low,
        high,
        np.round(variation, DECIMALS),
        np.round(by_chance, DECIMALS),
        withheld,
    )


def _shown_groups(votes: Votes, said: Ints, n_groups: int, least: int) -> tuple[Ints, Ints, bool]:
    """Codes of the groups that may be shown, how many members of each group answered, and whether any is withheld."""
    answers = np.bincount(votes.worker, minlength=votes.n_workers)
    is_member = (answers > 0) & (said >= 0)
    members = np.bincount(said[is_member], minlength=n_groups)
    total = np.bincount(said[is_member], answers[is_member], n_groups)
    most = np.zeros(n_groups, np.int64)
    np.maximum.at(most, said[is_member], answers[is_member])  # one step for each worker
    is_shown = (members >= least) & (most <= MOST_OF_ONE * total)
    silent = int(((answers > 0) & (said < 0)).sum())
    crowd = silent + int(members[~is_shown].sum())
    for smallest in np.lexsort((np.arange(n_groups), total, members)):
        if not 0 < crowd < least:
            break
        if is_shown[smallest]:
            is_shown[smallest], crowd = False, crowd + int(members[smallest])
    return np.flatnonzero(is_shown), members, crowd > 0


def _shown_classes(votes: Votes, least: int) -> Ints:
    """Codes of the classes that at least so many workers said, or nobody; with one rare class the next is withheld."""
    ones = np.ones(len(votes.task), np.int64)
    said = csr_array((ones, (votes.worker, votes.label)), shape=(votes.n_workers, votes.n_classes))
    said.sum_duplicates()
    answers, workers = said.sum(axis=0), (said > 0).sum(axis=0)
    is_rare = (workers > 0) & (workers < least)
    crowd = int((said[:, np.flatnonzero(is_rare)].sum(axis=1) > 0).sum())
    if 0 < crowd < least:
        rest = np.flatnonzero(workers >= least)
        is_rare[rest[np.lexsort((rest, answers[rest], workers[rest]))[:1]]] = True
    return np.flatnonzero(~is_rare)


@dataclass(frozen=True, slots=True)
class _Row:
    """Of one group, not rounded: share, others, shift, low, high, float[5, C + 1], the classes withheld as the last."""

    tasks: int
    figures: Floats
    variation: float
    by_chance: float


def _row(votes: Votes, is_member: Bools, column: Ints, width: int, least: int, seed: int, resamples: int) -> _Row:
    """The group against all others, on the tasks that both answered."""
    ours = is_member[votes.worker]
    matched = np.logical_and(*(np.bincount(votes.task[side], minlength=votes.n_tasks) > 0 for side in (ours, ~ours)))
    tasks = int(matched.sum())
    sides = [np.flatnonzero(side & matched[votes.task]) for side in (ours, ~ours)]
    if not all(_is_many(votes.worker[side], least) for side in sides):
        return _Row(tasks, np.full((5, width), np.nan), np.nan, np.nan)
    place = np.cumsum(matched) - 1
    parts = [_parts(place[votes.task[side]], column[votes.label[side]], tasks, width) for side in sides]
    found = bootstrap.distinct(hstack(parts, format="csr"))
    share, others = (found.often @ found.rows / tasks).reshape(2, width)
    shift = share - others
    values = np.zeros((0, width))
    if tasks >= bootstrap.LEAST_TASKS:
        difference = found.rows[:, :width] - found.rows[:, width:]
        drawn = bootstrap.draws(found, seed=seed, resamples=resamples)
        values = np.concatenate([often @ difference / tasks for often in drawn])
    low, high = bootstrap.bounds(values, tasks)
    by_chance = float(np.abs(values - shift).sum(axis=1).mean() / 2) if len(values) else np.nan
    return _Row(tasks, np.stack([share, others, shift, low, high]), float(np.abs(shift).sum() / 2), by_chance)


def _is_many(workers: Ints, least: int) -> bool:
    """Whether these answers are of enough workers, and not mostly of one."""
    answers = np.unique(workers, return_counts=True)[1]
    return len(answers) >= least and bool(answers.max() <= MOST_OF_ONE * answers.sum())


def _parts(task: Ints, column: Ints, tasks: int, width: int) -> csr_array:
    """The part of each task's answers that falls into each column, sparse float[T, C + 1]; rows sum to 1."""
    answers = np.bincount(task, minlength=tasks)
    counts = csr_array((np.ones(len(task)), (task, column)), shape=(tasks, width))
    counts.sum_duplicates()
    counts.data /= np.repeat(answers, np.diff(counts.indptr))
    return counts
