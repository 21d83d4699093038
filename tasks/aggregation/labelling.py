"""From answers to labels: the model that gold finds right most often, and as sure as gold shows it may be."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tasks.aggregation import calibration, dawid_skene, ordinal
from tasks.aggregation.votes import Floats, Ints, Votes, ordered

GOLD_LEAST = 50  # tasks of known class that several workers answered; fewer would choose between models by chance
CLEARLY = 2.0  # standard errors by which another model must be right more often than the usual one
FOLDS = 5

Fit = dawid_skene.Fit | ordinal.Fit
Model = Callable[..., Fit]  # of the gold it is shown


@dataclass(frozen=True, slots=True)
class Labels:
    """What the answers come to.

    posterior    float[T, K]  how likely each class is, calibrated; gold is as good as certain
    is_known     bool[T]      whether that says anything: several workers answered, or the class is gold
    fit          the workers, learned with gold held
    temperature  what posteriors were calibrated by
    compared     tasks of known class that this and the model were chosen by
    checked      how sure and how right labels are on those, each looked at with the temperature of others; None: few
    """

    posterior: Floats
    is_known: np.ndarray
    fit: Fit
    temperature: float
    compared: int
    checked: calibration.Bins | None


def label(
    task: Ints,
    worker: Ints,
    label: Ints,
    n_tasks: int,
    n_workers: int,
    n_classes: int,
    *,
    gold: Ints | None = None,
    weight: Floats | None = None,
    start: Floats | None = None,
    is_ordinal: bool = False,
) -> Labels:
    """Fit the answers with gold held, in the way that is right most often about gold that is hidden.

    The order of answers and the names of workers and classes never show; that of tasks decides which gold is hidden
    together.

    task, worker, label, gold, start  as dawid_skene.fit has them, and raises what that raises
    weight      float[T], how many others each task of known class stands for; None: as many
    is_ordinal  the classes are points of a scale
    """
    answers = (task, worker, label, n_tasks, n_workers, n_classes)
    votes = ordered(*answers)
    several = votes.workers() > 1
    truth = np.full(n_tasks, -1) if gold is None else np.asarray(gold)
    compared = np.flatnonzero((truth >= 0) & several)

    model, unseen = _chosen(_models(votes, answers, start, is_ordinal), truth, compared)
    stand_for = np.ones(len(compared)) if weight is None else weight[compared]
    heat = calibration.temperature(unseen, truth[compared], stand_for)
    made = model(gold=truth)
    posterior = calibration.calibrated(made.posterior, heat)
    posterior[truth >= 0] = made.posterior[truth >= 0]
    checked = _checked(unseen, truth[compared], stand_for) if len(compared) >= FOLDS else None
    return Labels(posterior, several | (truth >= 0), made, heat, len(compared), checked)


def _models(
    votes: Votes, answers: tuple[Ints, Ints, Ints, int, int, int], start: Floats | None, is_ordinal: bool
) -> list[Model]:
    """The usual model for so many answers a worker, and the other one that gold may find better."""
    each = len(votes.task) / max(1, len(np.unique(votes.worker)))
    confusions = partial(dawid_skene.fit, *answers, one_coin=False, start=start)
    if is_ordinal:
        rater = partial(ordinal.fit, *answers)
        return [rater, confusions] if each < votes.n_classes**2 else [confusions, rater]
    coin = partial(dawid_skene.fit, *answers, one_coin=True, start=start)
    return [coin, confusions] if each < dawid_skene.ONE_COIN_BELOW else [confusions, coin]


def _chosen(models: list[Model], truth: Ints, compared: Ints) -> tuple[Model, Floats]:
    """The model to take, and what it makes of each task of known class where half of them, this one too, is hidden."""
    usual = _unseen(models[0], truth, compared)
    if len(compared) < GOLD_LEAST:
        return models[0], usual
    other, right = _unseen(models[1], truth, compared), truth[compared]
    gain = _right(other, right) - _right(usual, right)
    is_better = gain.mean() > CLEARLY * gain.std() / np.sqrt(len(gain))
    return (models[1], other) if is_better else (models[0], usual)


def _unseen(model: Model, truth: Ints, compared: Ints) -> Floats:
    """Posteriors float[G, K] of tasks of known class, each from a fit from which it was hidden; without any none."""
    if not len(compared):
        return np.zeros((0, 1))
    made = []
    for half in (compared[0::2], compared[1::2]):
        shown = truth.copy()
        shown[half] = -1
        made.append(model(gold=shown).posterior[half])
    unseen = np.empty((len(compared), made[0].shape[1]))
    unseen[0::2], unseen[1::2] = made
    return unseen


def _right(posterior: Floats, truth: Ints) -> Floats:
    """The credit for each task: 1 for the right class alone, a share where several are as likely."""
    best = posterior >= posterior.max(axis=1, keepdims=True) - 1e-12
    return best[np.arange(len(truth)), truth] / best.sum(axis=1)


def _checked(posterior: Floats, truth: Ints, weight: Floats) -> calibration.Bins:
    """How sure and how right these are, a fifth of them at a time, calibrated by the rest."""
    fold, made = np.arange(len(truth)) % FOLDS, np.empty_like(posterior)
    for held in range(FOLDS):
        others = fold != held
        heat = calibration.temperature(posterior[others], truth[others], weight[others])
        made[fold == held] = calibration.calibrated(posterior[fold == held], heat)
    return calibration.bins(made, truth)
