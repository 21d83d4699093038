"""What work will cost, by hand where a hand can, and against brute force elsewhere."""

import math
from itertools import product

import pytest

from tasks import assignments, decisions, forecast
from tasks.models import Answer
from tests import make
from tests.tasks import work

EACH = 55_000


def brute(least: int, most: int, confidence: float, accuracy: float) -> float:
    """Every sequence of right and wrong, weighed."""
    each, enough, mean = math.log(accuracy / (1 - accuracy)), math.log(confidence / (1 - confidence)), 0.0
    for said in product((1, -1), repeat=most):
        share = math.prod(accuracy if one > 0 else 1 - accuracy for one in said)
        stops = [n for n in range(max(least, 2), most) if abs(sum(said[:n])) * each >= enough]
        mean += share * (stops[0] if stops else most)
    return mean


@pytest.mark.parametrize(
    ("least", "most", "confidence", "accuracy"),
    [(2, 3, 0.9, 0.85), (2, 7, 0.95, 0.85), (3, 8, 0.99, 0.7), (1, 5, 0.8, 0.9), (5, 5, 0.9, 0.85)],
)
def test_answers_wanted_are_the_mean_over_every_way_it_can_go(least, most, confidence, accuracy):
    assert forecast.answers_wanted(least, most, confidence, accuracy) == pytest.approx(
        brute(least, most, confidence, accuracy)
    )


def test_two_that_agree_are_enough_by_hand():
    """0.85^2 + 0.15^2 = 0.745 agree; the others want a third: 2 + 0.255."""
    assert forecast.answers_wanted(2, 3, 0.9) == pytest.approx(2.255)
    assert forecast.answers_wanted(1, 1, 0.9) == 1
    assert forecast.answers_wanted(2, 4, 1.0) == 4


@pytest.mark.django_db
def test_a_quote_says_expected_and_most_line_by_line(rita):
    home = make.organisation()
    project = make.project(
        home, redundancy_min=2, redundancy_max=3, target_confidence=0.9, gold_share=0.1, practice_size=0
    )
    rows = [{"text": f"item {n}"} for n in range(100)] + [{"text": "gold", "truth": "owl"}]
    data = make.dataset(rows, home, project=project, truth_columns={"truth": "animal"})
    told = forecast.quote(project, data)
    assert told.lines == {"answers": 300 * EACH, "gold": 30 * EACH}
    assert told.expected == {"answers": round(225.5 * EACH), "gold": 23 * EACH}
    assert told.fee_bp == 1000
    assert told.expected_micros <= told.total_micros


@pytest.mark.django_db
def test_what_earlier_batches_wanted_weighs_in(rita):
    """4 tasks that all wanted 3 answers, beside a guess that weighs as much as 100: (100 x 2.255 + 4 x 3) / 104."""
    batch = work.published(items=4, redundancy_min=2, redundancy_max=3, target_confidence=0.9, page_size=4)
    for _ in range(2):
        for name, animal in (("wes", "cat"), ("sam", "dog"), ("olga", "cat")):
            work.work_all(work.worker(name), batch, animal)
        work.sweep()
    decisions.accept(list(Answer.objects.select_related("batch")), rita)
    work.sweep()
    batch.refresh_from_db()
    assert batch.state == "closed"
    assert forecast.answers_expected(batch.project, batch) == pytest.approx((225.5 + 12) / 104)


@pytest.mark.django_db
def test_a_running_batch_says_where_it_is_going(rita):
    """6 tasks at 2.255 answers: 13.53 in all; 2 are leased."""
    batch = work.published(items=6, redundancy_min=2, redundancy_max=3, target_confidence=0.9, page_size=2)
    told = forecast.running(batch)
    assert (told.spent_micros, told.most_micros) == (0, 18 * EACH)
    assert told.expected_micros == pytest.approx(13.53 * EACH, abs=1)
    lease = work.answer(assignments.claim(work.worker(), batch.project))
    decisions.accept(list(lease.answers.select_related("batch")), rita)
    work.sweep()
    told = forecast.running(batch)
    assert told.spent_micros == 2 * EACH
    assert told.expected_micros == pytest.approx(13.53 * EACH, abs=1)
