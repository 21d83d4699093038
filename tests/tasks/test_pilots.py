"""A small batch first, and the large one when people agree."""

import pytest

from marketplace import guidelines, projects
from tasks import batches, pilots
from tasks.errors import NotPublishable
from tasks.models import Batch
from tests import make
from tests.tasks import work

pytestmark = pytest.mark.django_db


def piloted(*animals: str, **terms) -> Batch:
    """A pilot of four items, which as many people answered as animals are named, each one all the same."""
    pilot = work.published(**{"items": 10, "pilot_size": 4, "pilot_agreement": 0.8, "accept_after_s": 0, **terms})
    for number, animal in enumerate(animals):
        work.work_all(work.worker(f"worker{number}"), pilot, animal)
    work.sweep()
    pilot.refresh_from_db()
    return pilot


def full(pilot: Batch) -> Batch:
    return work.publish(pilot.project, pilot.dataset)


def test_the_first_batch_is_a_pilot_from_all_over_the_data():
    pilot = piloted()
    assert (pilot.pilot_size, pilot.items, pilot.tasks.count()) == (4, 4, 4)
    assert pilots.outcome(pilot).items == 4
    assert batches.progress(pilot).reserved_micros == 4 * 2 * 55_000


def test_the_full_batch_waits_for_the_pilot_and_then_for_the_agreement():
    pilot = piloted()
    with pytest.raises(NotPublishable, match="is not finished"):
        full(pilot)
    for number, animal in enumerate(("cat", "dog")):
        work.work_all(work.worker(f"worker{number}"), pilot, animal)
    work.sweep()
    with pytest.raises(NotPublishable) as refused:
        full(pilot)
    said = refused.value.detail
    assert "agreed 0% on “animal”, 80% are wanted" in said
    assert "“cat” and “dog”" in said


def test_with_agreement_the_full_batch_is_published_and_is_no_pilot():
    pilot = piloted("cat", "cat")
    found = pilots.outcome(pilot)
    assert (found.agreement, found.covered, found.is_reached) == (1.0, 4, True)
    assert found.fields[0].alpha == 1.0
    batch = full(pilot)
    assert (batch.pilot_size, batch.items) == (0, 10)
    assert full(pilot).items == 10


def test_after_a_pilot_that_fell_short_a_new_guideline_makes_the_next_one_a_pilot():
    pilot = piloted("cat", "dog")
    guidelines.write(pilot.project, make.user("rita"), "Cats purr.")
    again = full(pilot)
    assert (again.pilot_size, again.number) == (4, 2)
    with pytest.raises(NotPublishable, match=r"batch 2\) is not finished"):
        full(pilot)


def test_another_question_wants_another_pilot():
    pilot = piloted("cat", "cat")
    fields = [{"name": "sound", "type": "choice", "options": ["purr", "bark"]}]
    projects.revise(pilot.project, make.user("rita"), schema={**make.SCHEMA, "fields": fields})
    assert full(pilot).pilot_size == 4


def test_a_pilot_that_was_closed_before_it_said_anything_counts_for_nothing():
    pilot = piloted()
    batches.close(pilot, make.user("rita"))
    with pytest.raises(NotPublishable, match="0 of its 4 items had two answers"):
        full(pilot)


def test_opinions_need_not_agree_and_the_mean_is_over_items():
    fields = [
        {"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]},
        {"name": "nice", "type": "choice", "options": ["yes", "no"], "truth": "perspective", "required": False},
    ]
    pilot = piloted("cat", "cat", schema={**make.SCHEMA, "fields": fields})
    assert [field.name for field in pilots.outcome(pilot).fields] == ["animal"]


def test_one_answer_an_item_shows_no_agreement():
    with pytest.raises(NotPublishable, match="at least two answers"):
        piloted(redundancy_min=1)


def test_gold_of_a_pilot_is_no_part_of_its_agreement():
    pilot = piloted(gold=8, gold_share=0.5, practice_size=2)
    for number in range(2):
        person = work.worker(f"worker{number}")
        work.practise(person, pilot.project)
        work.work_all(person, pilot, "cat")
    assert pilot.answers.filter(task__gold__purpose="hidden").exists()
    assert pilots.outcome(pilot).covered == 4
