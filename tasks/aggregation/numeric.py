"""Numeric answers: a worker reads high or low, stretches or squeezes the scale, and scatters; a task is what is left.

An answer is centre + bias + scale x (truth - centre) + noise, the noise Student-t of the worker's own spread (Raykar et
al. 2010, "Learning from crowds", section 4, with a bias, a scale and heavy tails). Fitted by expectation maximisation;
what is known of a worker is shrunk towards the crowd, by as much as the workers turn out to differ.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma

from tasks.aggregation.numbers import Numbers, medians, ordered, ranges, step
from tasks.aggregation.votes import Floats, Ints

VERSION = 1
MAX_ITERATIONS = 12
TOLERANCE = 0.01  # of the crowd's spread: estimates that move less, in the mean square, have arrived
TAIL = 20.0  # degrees of freedom of the noise; 8 reads the few who see something among many zeros as mistaken
FAR = 6.0  # spreads; what lies further out is a slip of the pen, and its pull falls with the cube of its distance
FARTHEST = 1e12  # squared spreads; no weight is ever exactly 0
COMMON_SCALE = 0.2  # how far the scale of a whole crowd may be from 1, where gold shows it
LEAST_SCALE = 0.1  # of a whole crowd: below it says nothing
WIDEST_SCALE = 0.5  # standard deviation of the workers' scales at most: a guesser's is 0
SCALES_ABOVE = 2.0  # times the scatter of answers the tasks must differ by before scales can be told from noise
AMBIGUITY = 2.0  # where tasks differ no more than answers, who always says the same looks precise: level the weights by
WIDE = 4.0  # variance of the prior on a truth, in variances of the estimates: pulls only where the answers say nothing
TRIMMED = 0.1  # of the workers at each end do not say where the crowd's middle is: a tenth may be spammers
TASK_STRENGTH = 10.0  # answers it takes to say that a task is harder than most
SMALLEST = 1e-100  # variance; its square can still be divided by
LEAST_SPREAD = 1e-3  # of the crowd's variance: nobody is thought more exact than that
MOST_STRENGTH = 5.0  # answers the crowd's spread is worth, at most: more hides guessers where answers a worker are few
UNANIMOUS = 3  # workers who say exactly the same are not corrected


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say, in the unit they are given in.

    estimate  float[T]  nan where nobody answered; gold where it is known
    error     float[T]  standard error of the estimate; nan: not known, as for one answer of a worker never compared
    bias      float[W]  how much higher than the truth a worker answers, at the centre
    scale     float[W]  by how much a worker stretches distances from the centre
    spread    float[W]  standard deviation of a worker's answers around the truth, after bias and scale; nan: not known
    centre    float     where the tasks lie
    """

    estimate: Floats
    error: Floats
    bias: Floats
    scale: Floats
    spread: Floats
    centre: float
    iterations: int
    method: str
    version: int = VERSION


@dataclass(slots=True)
class _Crowd:
    """What is thought of the workers; variances are squares of the answers' unit."""

    bias: Floats
    scale: Floats
    variance: Floats  # of the noise, float[W]
    of_bias_known: Floats  # variance of what is thought of a bias, float[W]
    of_scale_known: Floats  # the same of a scale
    typical: float  # variance of a typical worker
    of_bias: float  # variance of the biases
    of_scale: float  # variance of the scales


def fit(
    task: Ints,
    worker: Ints,
    value: Floats,
    n_tasks: int,
    n_workers: int,
    *,
    gold: Floats | None = None,
    scales: bool | None = None,
) -> Fit:
    """Weigh every answer by its worker's spread, corrected for bias and scale, learned from the answers themselves.

    Without gold the crowd as a whole is taken to be right: the biases of its middle are 0 on average, the scales 1.

    task, worker, value  [N]  as in ordered; in any order
    gold    float[T]  known truths, nan = unknown; they hold in every step
    scales  give each worker a scale; None = where the tasks differ by much more than the answers scatter
    raises  ValueError  codes out of range, arrays that do not fit together, a value that is no number
    """
    answers, known = ordered(task, worker, value, n_tasks, n_workers), _known(gold, n_tasks)
    is_gold, workers = ~np.isnan(known), answers.by_task()
    middle = medians(answers)
    truth = np.where(is_gold, known, middle)
    compared = answers.of_tasks((workers > 1) | is_gold)
    scatter = _scatter(compared, truth)
    if not scatter > 0:
        return _unscattered(answers, truth, is_gold)
    tasks = compared.by_task() > 0
    centre = float(truth[tasks].mean())
    if scales is None:
        scales = bool(truth[tasks].var() > SCALES_ABOVE**2 * scatter)
    em = _Em(
        compared, centre, is_gold, truth, scatter, scales, step(np.append(answers.value, known[is_gold])) ** 2 / 12.0
    )
    while em.moved > TOLERANCE and em.iterations < MAX_ITERATIONS:
        em.refine()
    estimate, error = em.estimates(answers)
    agreed = ~is_gold & (workers >= UNANIMOUS) & (ranges(answers) == 0)
    estimate[agreed] = em.uncorrected(middle[agreed])
    estimate[is_gold], error[is_gold] = known[is_gold], 0.0
    method = "rater model with scales" if scales else "rater model"
    crowd = em.crowd
    return Fit(estimate, error, crowd.bias, crowd.scale, np.sqrt(crowd.variance), centre, em.iterations, method)


class _Em:
    """Expectation maximisation on answers that can be compared with somebody else's, or with gold."""

    def __init__(
        self,
        answers: Numbers,
        centre: float,
        is_gold: np.ndarray,
        truth: Floats,
        scatter: float,
        scales: bool,
        floor: float,
    ) -> None:
        self.answers, self.centre, self.is_gold, self.scales, self.floor = answers, centre, is_gold, scales, floor
        self.counts, self.size = answers.by_worker(), answers.by_task()
        self.tasks = self.size > 0
        self.offset = answers.value - centre
        self.truth = np.where(self.tasks, truth - centre, 0.0)  # from the centre
        self.unsure = np.where(is_gold, 0.0, scatter / np.maximum(self.size, 1.0))  # variance of the truth
        spread = self.truth[self.tasks]
        self.mean, self.variance = float(spread.mean()), float(spread.var()) or scatter
        workers = len(self.counts)
        zeros, ones = np.zeros(workers), np.ones(workers)
        self.crowd = _Crowd(zeros, ones, np.full(workers, scatter), zeros, zeros, scatter, scatter, 0.0)
        self.distance = (self.offset - self.truth[answers.task]) ** 2 / scatter
        self.moved, self.iterations = np.inf, 0

    def refine(self) -> None:
        """The truths given the workers, then the workers given the truths."""
        before = self.truth
        weight = tail_weights(self.distance)
        self._anchor(self._truths(weight))
        self._workers(weight)
        self._spreads(weight)
        change = (self.truth - before)[self.tasks]
        self.moved = float(np.sqrt(np.mean(change**2) / self.crowd.typical))
        self.iterations += 1

    def levelled(self) -> Floats:
        """The workers' variances, the more alike the less the tasks differ, float[W]."""
        crowd = self.crowd
        return (crowd.variance + self._level() * crowd.typical) / (1.0 + self._level())

    def _level(self) -> float:
        return AMBIGUITY * self.crowd.typical / max(self.variance, LEAST_SPREAD * self.crowd.typical)

    def _truths(self, weight: Floats) -> Floats:
        answers, crowd = self.answers, self.crowd
        variance = self.levelled()
        precision = answers.by_task(weight * (crowd.scale**2 / variance)[answers.worker]) + 1.0 / self.variance
        pull = weight * ((crowd.scale / variance)[answers.worker] * (self.offset - crowd.bias[answers.worker]))
        estimate = (answers.by_task(pull) + self.mean / self.variance) / precision
        self.truth = np.where(self.is_gold | ~self.tasks, self.truth, estimate)
        self.unsure = np.where(self.is_gold, 0.0, 1.0 / precision)
        spread = self.truth[self.tasks]
        self.mean = float(spread.mean())
        differ = float(np.mean((spread - self.mean) ** 2 + self.unsure[self.tasks]))
        self.variance = max(differ, LEAST_SPREAD * crowd.typical)
        return estimate

    def _workers(self, weight: Floats) -> None:
        answers, crowd = self.answers, self.crowd
        precision = weight / crowd.variance[answers.worker]
        truth = self.truth[answers.task]
        total, first = answers.by_worker(precision), answers.by_worker(precision * self.offset)
        at = answers.by_worker(precision * truth)
        share = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        mean, often = (first - at) * share, self.counts / self.counts.sum()
        middle = _middle(crowd.bias[self.counts > 0])
        least = LEAST_SPREAD * crowd.typical
        crowd.of_bias = max(float(np.sum(often * ((mean - middle) ** 2 - share))), least)
        prior = 1.0 / crowd.of_bias
        crowd.of_bias_known = 1.0 / (total + prior)
        if not self.scales:
            crowd.bias = (first - at + middle * prior) * crowd.of_bias_known
            return
        usual = at * share
        weighed = precision * (truth - usual[answers.worker])  # centred, so that nothing cancels
        second = answers.by_worker(weighed * truth + precision * self.unsure[answers.task])
        cross = answers.by_worker(weighed * self.offset)
        told = np.divide(cross, second, out=np.ones_like(second), where=second > 0)
        doubt = np.divide(1.0, second, out=np.zeros_like(second), where=second > 0)
        crowd.of_scale = float(np.clip(np.sum(often * ((told - 1.0) ** 2 - doubt)), LEAST_SPREAD, WIDEST_SCALE**2))
        second += 1.0 / crowd.of_scale + usual * at * prior * crowd.of_bias_known
        cross += 1.0 / crowd.of_scale + usual * (first - total * middle) * prior * crowd.of_bias_known
        crowd.of_scale_known, crowd.scale = 1.0 / second, cross / second
        crowd.bias = (first + middle * prior - at * crowd.scale) * crowd.of_bias_known

    def _anchor(self, free: Floats) -> None:
        """Where truths and workers could all move together, gold says where they are; else the crowd's middle does.

        free  float[T]  the truths as the answers alone say, also where they are known
        """
        crowd, gold, present = self.crowd, self.is_gold & self.tasks, self.counts > 0
        known, told = self.truth[gold], free[gold]
        stretch, self.of_stretch = 1.0, 0.0
        if self.scales:
            self.of_stretch = np.pi / 2.0 * crowd.of_scale / np.count_nonzero(present)  # of a median
            stretch = _weighted_median(crowd.scale[present], self.counts[present])
            if known.size:
                apart, away = told - told.mean(), known - known.mean()
                noise = max(float(np.var(away - apart)), float(crowd.typical / self.size[gold].mean()))
                doubt = COMMON_SCALE**-2 * noise
                self.of_stretch = noise / float(apart @ apart + doubt)
                stretch = float((apart @ away + stretch * doubt) / (apart @ apart + doubt))
            stretch = max(stretch, LEAST_SCALE)
        shift = precision = 0.0
        if known.size:
            away = known - stretch * told
            precision = known.size / max(float(np.var(away)), float(crowd.typical / self.size[gold].mean()))
            shift = float(away.mean()) * precision
        # Workers who differ little may still be off together, by as much as they scatter
        common = max(crowd.of_bias, crowd.typical)
        shift = (shift + _middle(crowd.bias[present]) / common) / (precision + 1.0 / common)
        self.of_shift = 1.0 / (precision + (1.0 if precision else np.count_nonzero(present)) / crowd.of_bias)
        crowd.scale = crowd.scale / stretch
        crowd.bias = crowd.bias - shift * crowd.scale
        self.truth = np.where(self.is_gold | ~self.tasks, self.truth, shift + stretch * self.truth)
        self.unsure = self.unsure * stretch**2
        self.mean, self.variance = shift + stretch * self.mean, self.variance * stretch**2

    def _spreads(self, weight: Floats) -> None:
        answers, crowd = self.answers, self.crowd
        scale = crowd.scale[answers.worker]
        left = self.offset - crowd.bias[answers.worker] - scale * self.truth[answers.task]
        squares = left**2 + scale**2 * self.unsure[answers.task]
        sums, freedom = answers.by_worker(weight * squares), np.maximum(self.counts - 1.0, 0.5)
        present = self.counts > 0
        means = np.maximum(sums / freedom, max(LEAST_SPREAD * crowd.typical, self.floor, SMALLEST))
        logs, freedom = np.log(means[present]), freedom[present]
        crowd.typical = float(np.exp(np.average(logs, weights=freedom)))
        strength = MOST_STRENGTH if self.iterations == 0 else _strength(logs, freedom)
        freedom = np.where(present, np.maximum(self.counts - 1.0, 0.5), 0.0)
        crowd.variance = (sums + strength * crowd.typical) / (freedom + strength)
        crowd.variance = np.maximum(crowd.variance, max(LEAST_SPREAD * crowd.typical, self.floor, SMALLEST))
        self.squares = squares
        self.distance = squares / (crowd.variance + self._level() * crowd.typical)[answers.worker]

    def estimates(self, answers: Numbers) -> tuple[Floats, Floats]:
        """Each task's value and its standard error, of all answers, also those nobody's can be compared with."""
        crowd, worker = self.crowd, answers.worker
        weight = np.ones(len(worker))
        weight[self.tasks[answers.task]] = tail_weights(self.distance)
        pull = weight * (crowd.scale / self.levelled())[worker]
        prior = 1.0 / (WIDE * self.variance)
        precision = answers.by_task(pull * crowd.scale[worker]) + prior
        offset = answers.value - self.centre - crowd.bias[worker]
        estimate = self.centre + (answers.by_task(pull * offset) + prior * self.mean) / precision
        noise = answers.by_task(weight * (crowd.scale**2 * crowd.variance / self.levelled() ** 2)[worker])
        noise *= self.hardness() * (TAIL + 3.0) / (TAIL + 1.0)  # what Student's t tells less than a normal would
        away, pull = (estimate - self.centre) ** 2, pull**2
        doubt = answers.by_task(pull * crowd.of_bias_known[worker])
        doubt += away * answers.by_task(pull * crowd.of_scale_known[worker])
        own = np.sqrt(noise + doubt + prior) / precision
        error = np.hypot(own, np.sqrt(self.of_shift + away * self.of_stretch))
        seen = answers.by_task((self.counts > 0)[worker].astype(np.float64)) > 0
        return np.where(answers.by_task() > 0, estimate, np.nan), np.where(seen, error, np.nan)

    def hardness(self) -> Floats:
        """Variance of the answers to each task over what its workers' variances let expect, float[T]."""
        far = self.squares / self.crowd.variance[self.answers.worker]
        capped = self.answers.by_task((TAIL + 1) * far / (TAIL + far))
        hardness = (TASK_STRENGTH + capped) / (TASK_STRENGTH + self.size)
        return np.where(self.tasks, hardness / hardness[self.tasks].mean(), 1.0)

    def uncorrected(self, values: Floats) -> Floats:
        """Values all workers of a task gave alike, corrected only by what gold says of the whole crowd."""
        if not self.is_gold.any():
            return values
        present = self.counts > 0
        scale = max(_weighted_median(self.crowd.scale[present], self.counts[present]), LEAST_SCALE)
        return self.centre + (values - self.centre - _middle(self.crowd.bias[present])) / scale


def tail_weights(distance: Floats) -> Floats:
    """What an answer still counts for, from the square of its distance in spreads: 1 near by, hardly anything far."""
    near = np.clip(distance, FAR**2, FARTHEST)
    return (TAIL + 1.0) / (TAIL + distance) * (FAR**2 / near) ** 2


def _known(gold: Floats | None, n_tasks: int) -> Floats:
    known = np.full(n_tasks, np.nan) if gold is None else np.asarray(gold, np.float64)
    if known.shape != (n_tasks,) or np.isinf(known).any():
        raise ValueError("gold must hold one finite number, or nan, for each task")
    return known


def _scatter(compared: Numbers, truth: Floats) -> float:
    """Variance of answers around a first guess, by the nearest nine tenths of them; nan where there are none."""
    if not compared.value.size:
        return np.nan
    away = np.abs(compared.value - truth[compared.task])
    return float(np.quantile(away, 0.9) / 1.645) ** 2 or float(np.mean(away**2))


def _strength(logs: Floats, freedom: Floats) -> float:
    """Answers the crowd's spread is worth, from how the logarithms of the workers' variances differ beyond chance.

    source  Smyth 2004, "Linear models and empirical Bayes methods", section 6.2, by moments
    """
    often = freedom > 2.0
    differ = np.var(logs[often]) - np.mean(polygamma(1, freedom[often] / 2.0)) if often.any() else 0.0
    return 2.0 / float(np.clip(differ, 2.0 / MOST_STRENGTH, 2.0))


def _middle(values: Floats) -> float:
    """The mean without the outermost tenth at each end."""
    cut = int(TRIMMED * len(values))
    return float(np.sort(values)[cut : len(values) - cut].mean())


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2.0)])


def _unscattered(answers: Numbers, truth: Floats, is_gold: np.ndarray) -> Fit:
    """The fit where no two answers to a task differ, or none can be compared: exact up to the unit of the values."""
    workers = answers.by_task()
    compared = answers.of_tasks((workers > 1) | is_gold).by_worker() > 0
    unit = step(answers.value) / np.sqrt(12.0) or np.nan
    seen = answers.by_task(compared[answers.worker].astype(np.float64)) > 0
    error = np.where(is_gold, 0.0, np.where(seen, unit / np.sqrt(np.maximum(workers, 1.0)), np.nan))
    zeros, spread = np.zeros(len(compared)), np.full(len(compared), unit if compared.any() else np.nan)
    centre = float(np.nanmean(truth)) if np.isfinite(truth).any() else 0.0
    return Fit(truth, error, zeros, zeros + 1.0, spread, centre, 0, "rater model")
