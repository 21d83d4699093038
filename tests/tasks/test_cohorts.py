"""A trainer and workers in front of the same items."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid, NotFound
from tasks import cohorts
from tasks.errors import AnswersInvalid, NotInvited, OwnWork
from tasks.models import Cohort, CohortAnswer, CohortItem, Gold
from tests import make
from tests.tasks import work
from workers import profiles
from workers.models import Notice

pytestmark = pytest.mark.django_db


def planned(items: int = 2, **options) -> Cohort:
    batch = work.published(gold=6, practice_size=2)
    at = clock.now()
    rita = make.user("rita")
    return cohorts.plan(batch.project, rita, "Owls", at, at + timedelta(hours=1), items, **options)


def test_a_session_goes_from_item_to_item_and_tells_what_is_right_when_the_trainer_says_so():
    Gold.objects.update(explanation="")
    cohort, rita, wes, ann = planned(), make.user("rita"), work.worker(), work.worker("ann")
    Gold.objects.update(explanation="Look at the eyes.")
    with pytest.raises(IllegalMove):
        cohorts.join(cohort, wes)
    cohorts.begin(cohort, rita)
    assert cohorts.join(cohort, wes).pk == cohorts.join(cohort, wes).pk
    cohorts.join(cohort, ann)
    first = cohorts.answer(cohort, wes, 0, {"animal": "cat"})
    assert cohorts.answer(cohort, wes, 0, {"animal": "owl"}).pk == first.pk
    cohorts.answer(cohort, ann, 0, {"animal": "owl"})
    (spread,) = cohorts.spread(cohort)
    assert sorted(spread.said) == [("cat", 1), ("owl", 1)]
    assert (cohorts.item(cohort).truth, cohorts.item(cohort).explanation) == (None, "")
    assert cohorts.item(cohort, for_trainer=True).truth == {"animal": "owl"}
    assert cohorts.right(cohort, first) is None
    with pytest.raises(IllegalMove, match="show what is right first"):
        cohorts.turn(cohort, rita)
    cohorts.reveal(cohort, rita, "  Owls have no ears. ")
    shown = cohorts.item(cohort)
    assert (shown.truth, shown.explanation, shown.remark) == (
        {"animal": "owl"},
        "Look at the eyes.",
        "Owls have no ears.",
    )
    assert cohorts.right(cohort, cohorts.given(cohort, wes)) is False
    assert cohorts.right(cohort, cohorts.given(cohort, ann)) is True
    cohorts.turn(cohort, rita)
    assert cohorts.item(cohort).truth is None
    cohorts.end(cohort, rita)
    with pytest.raises(IllegalMove):
        cohorts.answer(cohort, wes, 1, {"animal": "owl"})


def test_no_answer_is_taken_after_the_truth_was_shown_or_to_another_item():
    cohort, rita, wes = planned(), make.user("rita"), work.worker()
    cohorts.begin(cohort, rita)
    with pytest.raises(NotInvited):
        cohorts.answer(cohort, wes, 0, {"animal": "cat"})
    cohorts.join(cohort, wes)
    for position in (1, 9):
        with pytest.raises(IllegalMove):
            cohorts.answer(cohort, wes, position, {"animal": "cat"})
    with pytest.raises(AnswersInvalid):
        cohorts.answer(cohort, wes, 0, {"animal": "cow"})
    cohorts.reveal(cohort, rita)
    with pytest.raises(IllegalMove):
        cohorts.answer(cohort, wes, 0, {"animal": "owl"})
    with pytest.raises(IllegalMove):
        cohorts.reveal(cohort, rita, "again")


def test_only_those_invited_come_where_it_is_not_open():
    cohort, rita, wes, ann = planned(is_open=False), make.user("rita"), work.worker(), work.worker("ann")
    home = cohort.project.organisation
    name = profiles.introduce(wes, home)
    with pytest.raises(NotFound):
        cohorts.invite(cohort, rita, [name, "w_nobody"])
    assert not cohort.places.exists()
    assert [cohorts.invite(cohort, rita, [name]) for _ in range(2)] == [1, 0]
    assert Notice.objects.get(kind="cohort").link == f"/work/cohorts/{cohort.public_id}/"
    assert list(Cohort.objects.open_to(wes)) == [cohort]
    assert not Cohort.objects.open_to(ann).exists()
    cohorts.begin(cohort, rita)
    with pytest.raises(NotInvited):
        cohorts.join(cohort, ann)
    cohorts.join(cohort, wes)
    assert [bool(place.joined_at) for place in cohort.places.all()] == [True]


def test_members_lead_and_do_not_take_part():
    cohort, sam = planned(), make.user("sam")
    for lead in (cohorts.begin, cohorts.reveal, cohorts.turn, cohorts.end):
        with pytest.raises(Forbidden):
            lead(cohort, sam)
    rosa = make.user("rosa")
    accounts.add_member(cohort.project.organisation, "rosa@example.org", "manager", make.user("rita"))
    cohorts.begin(cohort, rosa)
    with pytest.raises(OwnWork):
        cohorts.join(cohort, profiles.of(rosa))


def test_what_cannot_be_planned_is_refused():
    batch, rita, at = work.published(gold=6, practice_size=2), make.user("rita"), clock.now()
    for title, ends_in, items in (("", 1, 2), ("Owls", -1, 2), ("Owls", 1, 0), ("Owls", 1, 50)):
        with pytest.raises(Invalid):
            cohorts.plan(batch.project, rita, title, at, at + timedelta(hours=ends_in), items)
    assert not Cohort.objects.exists()


def test_the_next_session_shows_items_that_the_last_did_not():
    cohort, rita = planned(), make.user("rita")
    again = cohorts.plan(cohort.project, rita, "More owls", cohort.begins_at, cohort.ends_at, 2)
    used = CohortItem.objects.values_list("task", flat=True)
    assert len(set(used)) == 4
    assert again.batch == cohort.batch


def test_what_was_answered_is_never_changed():
    cohort, rita, wes = planned(), make.user("rita"), work.worker()
    cohorts.begin(cohort, rita)
    cohorts.join(cohort, wes)
    cohorts.answer(cohort, wes, 0, {"animal": "cat"})
    with pytest.raises(DatabaseError), transaction.atomic():
        CohortAnswer.objects.update(value={"animal": "owl"})
