import random
from datetime import timedelta

import pytest

from marketplace.core import clock
from tasks import rules
from tasks.models import Answer, Decision, Firing
from tests import make
from tests.tasks import work
from tests.tasks.ruled import MISSED, batch, checked, rule, sweep, when

pytestmark = pytest.mark.django_db


def test_a_trial_says_who_would_have_been_hit_when_and_how_good_they_are():
    here = batch(items=12, redundancy_min=3, redundancy_max=5)
    bad, good = work.worker("bad"), work.worker("good")
    rows = checked(bad, here, 0, 0, 1, 0)
    checked(good, here, 1, 1, 1, 1)
    Answer.objects.filter(worker=bad).update(submitted_at=clock.now() - timedelta(hours=1))
    work.work(bad, here)
    made = rule(here.project, on=False)
    trial = rules.try_on_past(made, make.user("rita"))
    assert (trial.workers, trial.pieces, trial.would_have) == (2, 8, 1)
    (hit,) = trial.hit
    assert hit.worker == here.project.organisation.pseudonym(bad.public_id)
    assert hit.first == rows[-1].created_at.isoformat()
    assert (hit.figures["correct_share"], hit.answers_after) == (0.25, 3)
    assert hit.accuracy_p05 < hit.accuracy < trial.others[0].accuracy
    made.refresh_from_db()
    assert made.tried["would_have"] == 1
    assert not Decision.objects.exists()


def test_a_trial_reads_only_so_much(settings):
    settings.RULE_TRIAL_PIECES_MOST = 3
    here = batch(items=12, redundancy_min=3, redundancy_max=5)
    for name in ("bad", "good"):
        checked(work.worker(name), here, 0, 0, 0, 0)
    assert rules.replay(rule(here.project, on=False)).workers == 1


RANDOM_RULES = [
    ("gold", MISSED, {}),
    ("gold", [when("wrong_in_row", "GreaterThanOrEqualTo", 3)], {}),
    ("gold", [when("p_below", "GreaterThan", 0.7), when("total", "GreaterThan", 2)], {"measure": {"threshold": 0.7}}),
    ("consensus", [when("correct_share", "LessThanOrEqualTo", 0.5)], {"history": 4}),
    ("review", [when("wrong", "EqualTo", 3), when("total", "GreaterThan", 4)], {"history": 6}),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("collector", "conditions", "more"), RANDOM_RULES)
def test_a_trial_says_what_a_live_run_over_the_same_events_does(seed, collector, conditions, more):
    luck = random.Random(f"{seed} {collector} {conditions}")
    here = batch(items=12, redundancy_min=5, redundancy_max=5)
    crowd = [work.worker(f"worker{n}") for n in range(4)]
    live = rule(here.project, collector, conditions, **more)
    for _ in range(30):
        kind = luck.choice([collector, collector, "gold", "consensus"])
        checked(luck.choice(crowd), here, luck.choice([0.0, 0.0, 0.4, 1.0]), kind=kind)
        if luck.random() < 0.4:
            sweep()
    sweep()
    pseudonym = here.project.organisation.pseudonym
    did = {pseudonym(one.worker.public_id): one.figures for one in Firing.objects.select_related("worker")}
    assert {one.worker: one.figures for one in rules.replay(live).hit} == did
