"""Alpha beside nltk's: against a table that nltk 3.10 computed, and against nltk itself where it is installed."""

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tasks.aggregation import agreement, distances

TASKS, WORKERS, CLASSES = 30, 9, 4
NUMBERS = np.array([0.0, 0.5, 3.0, 40.0])
SETS = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 1]], bool)
SCALES = {
    "binary_distance": distances.NOMINAL,
    "interval_distance": distances.interval(NUMBERS),
    "jaccard_distance": distances.jaccard(SETS),
    "masi_distance": distances.masi(SETS),
}
BY_NLTK = {  # of drawn(0) to drawn(7)
    "binary_distance": [
        0.6124399208368674,
        0.1883376876343007,
        0.22463040897809416,
        0.4864277501123907,
        0.27656205928160604,
        0.256167989063079,
        0.410600938967136,
        0.28409928122192263,
    ],
    "interval_distance": [
        0.606475726601982,
        0.1247225423935574,
        0.19069904462667908,
        0.3110419862575522,
        0.09466137869122349,
        0.23942604611250307,
        0.03539856404639419,
        0.04112406228196097,
    ],
    "jaccard_distance": [
        0.6399541583145145,
        0.20360370803267547,
        0.26782130493843403,
        0.5115171187328,
        0.307009243207643,
        0.2577358144601769,
        0.4821273928896992,
        0.301285511985531,
    ],
    "masi_distance": [
        0.6273475547370575,
        0.19951520838220327,
        0.24783969985897147,
        0.5011783069023987,
        0.2931101835006419,
        0.25615341123256674,
        0.45137206860343004,
        0.2895086169131972,
    ],
}
ANSWERS = st.dictionaries(
    st.tuples(st.integers(0, TASKS - 1), st.integers(0, WORKERS - 1)), st.integers(0, CLASSES - 1), min_size=2
)


def drawn(seed):
    """Answers (task, worker) -> class: some workers did little, some tasks have one answer, classes are skewed."""
    luck = Random(seed)
    truth = [int(CLASSES * luck.random() ** 2) for _ in range(TASKS)]
    found = {}
    for worker in range(WORKERS):
        did, skill = luck.random(), luck.random()
        for task in range(TASKS):
            if luck.random() < did:
                found[task, worker] = truth[task] if luck.random() < skill else int(CLASSES * luck.random())
    return found


def alpha(answers, scale):
    task, worker, label = np.array([(*who, said) for who, said in answers.items()], np.int64).T
    return agreement.krippendorff_alpha(task, worker, label, TASKS, CLASSES, SCALES[scale])


def by_nltk(answers, scale):
    metrics = pytest.importorskip("nltk.metrics", reason="nltk is not installed")
    if scale in ("jaccard_distance", "masi_distance"):
        values = [frozenset(np.flatnonzero(row).tolist()) for row in SETS]
    else:
        values = NUMBERS.tolist()
    triples = [(worker, task, values[said]) for (task, worker), said in answers.items()]
    return metrics.agreement.AnnotationTask(triples, distance=getattr(metrics, scale)).alpha()


@pytest.mark.parametrize(("scale", "seed"), [(scale, seed) for scale in BY_NLTK for seed in range(8)])
def test_alpha_is_what_nltk_computed(scale, seed):
    assert alpha(drawn(seed), scale) == pytest.approx(BY_NLTK[scale][seed], abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(answers=ANSWERS)
def test_alpha_is_what_nltk_computes(scale, answers):
    tasks = [task for task, _ in answers]
    paired = {said for (task, _), said in answers.items() if tasks.count(task) > 1}
    assume(len(paired) > 1)  # of one class alone, or none, it makes 1 of its own
    assert alpha(answers, scale) == pytest.approx(by_nltk(answers, scale), abs=1e-9)
