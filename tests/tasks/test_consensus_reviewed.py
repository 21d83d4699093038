from types import SimpleNamespace

import numpy as np
import pytest

from tasks import reviews
from tasks.consensus import answers
from tasks.consensus.labelled import Labelled
from tasks.consensus.reviewed import SURE, overrule
from tasks.models import Review
from tasks.reviews import Verdict
from tests.tasks import reviewed

CROWD = SimpleNamespace(tasks=np.array([1, 2, 3]))


def field(name, values, code, posterior):
    return Labelled(
        name=name,
        tasks=np.array([1, 3]),
        values=values,
        code=np.array(code),
        posterior=posterior,
        confidence=np.array([0.6, np.nan]),
        support=np.array([2, 1]),
        certain=np.array([0.5, 0.0]),
        gain=np.array([0.1, 0.2]),
        between=None,
        method=np.zeros(2, np.int64),
        methods=[("dawid-skene", "3")],
    )


def test_what_a_reviewer_said_is_the_label_and_the_others_stay():
    one = field("animal", ["cat", "dog", "owl"], [0, 1], np.array([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1]]))
    (found,) = overrule(CROWD, [one], {3: Verdict({"animal": "owl"}, None), 9: Verdict({"animal": "cat"}, 0.5)})
    assert found.tasks.tolist() == [1, 3]
    assert found.code.tolist() == [0, 2]
    assert found.posterior[0].tolist() == [0.6, 0.2, 0.2]
    assert found.posterior[1] == pytest.approx([(1 - SURE) / 2, (1 - SURE) / 2, SURE])
    assert found.confidence.tolist() == [0.6, SURE]
    assert found.certain.tolist() == [0.5, 1.0]
    assert found.gain.tolist() == [0.1, 0.0]
    assert [found.methods[n] for n in found.method] == [("dawid-skene", "3"), ("review", "1")]
    assert one.code.tolist() == [0, 1]


def test_a_field_that_nobody_answered_is_what_the_reviewer_said():
    one = field("count", [5, 7], [-1, -1], None)
    (found,) = overrule(CROWD, [one], {2: Verdict({"count": 9}, None), 3: Verdict({"count": 8}, None)})
    assert found.tasks.tolist() == [1, 2, 3]
    assert found.values == [5, 9, 8]
    assert found.code.tolist() == [-1, -1, -1]
    assert found.support.tolist() == [2, 0, 1]


def test_fields_without_a_verdict_stay_as_they_are():
    one = field("animal", ["cat", "dog"], [0, 1], np.array([[0.6, 0.4], [0.1, 0.9]]))
    (found,) = overrule(CROWD, [one], {1: Verdict({"other": "owl"}, None)})
    assert found is one


@pytest.mark.django_db
def test_labels_that_were_drawn_more_rarely_stand_for_more_and_those_not_drawn_are_not_learned_from():
    batch = reviewed.labelled(*[("cat", "cat")] * 4)
    reviewed.asked(batch)
    Review.objects.update(rate=None)
    for rate in (0.1, 0.2, None):
        review = reviewed.decided(batch)
        Review.objects.filter(pk=review.pk).update(rate=rate)
    said = reviews.verdicts(batch)
    crowd = answers.load(batch, checked={task: one for task, one in said.items() if one.sampled})
    weight = {int(crowd.tasks[place]): crowd.weight[place] for place in crowd.known}
    assert weight == pytest.approx({task: 0.1 / one.rate * 4 / 3 for task, one in said.items() if one.rate})
    assert len(weight) == 2
    assert sorted(crowd.weight.tolist()) == pytest.approx([2 / 3, 1, 1, 4 / 3])
