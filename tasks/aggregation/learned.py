"""What a fit made of its workers, kept: answers that come in are weighed by it without fitting all of them again."""

from dataclasses import dataclass

import numpy as np

from tasks.aggregation import beliefs, calibration, dawid_skene
from tasks.aggregation.labelling import Labels
from tasks.aggregation.votes import Floats, Ints, ordered


@dataclass(frozen=True, slots=True)
class Learned:
    """The workers of a fit, the last of whom gave no answer: whoever comes later is taken for that one.

    says        float[W * K, K]  as Fit.says
    common      float[K]         as Fit.common
    confusions  float[W, K, K]   as Fit.confusions
    prior       float[K]         as Fit.prior
    """

    says: Floats
    common: Floats
    confusions: Floats
    prior: Floats
    temperature: float
    method: str
    version: str

    @property
    def newcomer(self) -> Floats:
        """Confusions of somebody who gave no answer, float[K, K]: what to expect of whoever answers next."""
        return np.asarray(self.confusions[-1])

    @classmethod
    def of(cls, labels: Labels) -> "Learned":
        fit = labels.fit
        return cls(fit.says, fit.common, fit.confusions, fit.prior, labels.temperature, fit.method, str(fit.version))


def weigh(learned: Learned, task: Ints, worker: Ints, label: Ints, n_tasks: int) -> tuple[Floats, Floats]:
    """How likely each class is, calibrated, float[T, K], and as `dawid_skene.posterior_given` has it for stopping.

    A task whose answers the fit has seen has the posterior the fit gave it.

    raises  ValueError  codes out of range or arrays that do not fit together
    """
    size, classes, _ = learned.confusions.shape
    votes = ordered(task, worker, label, n_tasks, size, classes)
    scores = votes.incidence() @ learned.says + learned.common
    posterior = beliefs.doubted(beliefs.normalised(scores.T.copy()).T)
    certain = dawid_skene.posterior_given(task, worker, label, learned.confusions, learned.prior, n_tasks)
    return calibration.calibrated(posterior, learned.temperature), certain
