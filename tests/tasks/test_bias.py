"""Who answers how: what is shown of groups, and what is never shown of anybody."""

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tasks import bias, decisions
from tasks.models import Answer
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from tests.tasks.groups import answered, asked, two_groups, yesterday
from workers import self_descriptions

pytestmark = pytest.mark.django_db
PERSPECTIVE = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"], "truth": "perspective"}],
}


def apart(person, item):
    """The first twelve see dogs, the others cats; one in four otherwise, so that nothing is all alike."""
    usual, other = ("dog", "cat") if person < 12 else ("cat", "dog")
    return other if (person + item) % 4 == 0 else usual


LUCK = np.random.default_rng(3).random((12, 12))


def alike(person, item):
    """The first twelve are as the second: each has a twin."""
    return "dog" if LUCK[person % 12, item] < 0.4 else "cat"


def groups_of(report):
    return [[group.title for group in one.groups] for one in report.comparisons]


def test_each_group_has_its_shares_and_its_shift_against_the_others():
    batch = asked(24)
    answered(batch, two_groups(), apart)
    (gender,) = bias.report(batch.project).comparisons
    women, men = gender.groups
    assert (gender.field, gender.words, women.title, men.title) == ("animal", "By gender", "Woman", "Man")
    assert [one.name for one in women.shares] == ["cat", "dog", "owl"]
    dog = women.shares[1]
    assert dog.share == pytest.approx(0.75, abs=0.1)
    assert dog.others == pytest.approx(0.25, abs=0.1)
    assert dog.low <= dog.shift <= dog.high
    assert dog.low > 0.2
    assert women.differs
    assert women.chance <= 0.01
    assert women.shares[2].share == 0.0


def test_groups_that_answer_alike_do_not_differ():
    batch = asked(24)
    answered(batch, two_groups(), alike)
    (gender,) = bias.report(batch.project).comparisons
    assert not any(group.differs for group in gender.groups)
    assert all(group.chance > 0.05 for group in gender.groups)


@pytest.mark.parametrize(("women", "shown"), [(11, []), (12, [["Woman", "Man"]])])
def test_a_group_is_shown_when_as_many_are_counted_as_it_takes(women, shown):
    """Of twelve the lot leaves ten; of eleven nine, one too few."""
    batch = asked(women + 12)
    answered(batch, two_groups(women, 12), apart)
    report = bias.report(batch.project)
    assert report.least == 10
    assert groups_of(report) == shown


def test_the_operator_may_ask_for_larger_groups(settings):
    batch = asked(24)
    answered(batch, two_groups(), apart)
    settings.GROUP_LEAST = 11
    assert bias.report(batch.project).comparisons == []


def test_how_many_there_are_is_told_in_steps():
    batch = asked(28)
    answered(batch, two_groups(12, 16), apart)
    assert [group.people for group in bias.report(batch.project).comparisons[0].groups] == [10, 10]


def test_who_would_rather_not_say_is_in_no_group():
    batch = asked(36)
    workers = answered(batch, [*two_groups(), *[""] * 12], apart)
    report = bias.report(batch.project)
    assert groups_of(report) == [["Woman", "Man"]]
    self_descriptions.say(workers[30], {"age": "", "gender": ""}, consents=False)
    assert bias.report(batch.project) == report


def test_one_withdrawn_answer_takes_its_group_away_at_once():
    batch = asked(24)
    workers = answered(batch, two_groups(), apart)
    assert groups_of(bias.report(batch.project)) == [["Woman", "Man"]]
    self_descriptions.withdraw(workers[0])
    assert bias.report(batch.project).comparisons == []


def test_what_was_said_or_handed_in_today_counts_tomorrow():
    batch = asked(26)
    answered(batch, two_groups(11, 12), apart)
    late = work.worker("late")
    self_descriptions.say(late, {"gender": "woman"}, consents=True)
    work.work_all(late, batch)
    assert bias.report(batch.project).comparisons == []
    yesterday()
    assert groups_of(bias.report(batch.project)) == [["Woman", "Man"]]


def test_asking_again_says_the_same():
    batch = asked(28)
    answered(batch, two_groups(14, 14), apart)
    assert bias.report(batch.project) == bias.report(batch.project)


def test_deciding_about_the_answers_of_one_person_moves_nothing():
    """Or a requester could exclude them, and see which group moves."""
    batch = asked(24)
    workers = answered(batch, two_groups(), apart)
    before = bias.report(batch.project)
    for answer in Answer.objects.filter(worker=workers[0]).select_related("batch__project", "assignment", "task"):
        decisions.exclude(answer, make.user("rita"), "wrong", "Look again.")
    assert bias.report(batch.project) == before


def test_the_lot_leaves_out_others_when_somebody_withdraws():
    batch = asked(60)
    workers = answered(batch, two_groups(30, 30), apart)
    said = {worker.pk: ("woman" if n < 30 else "man") for n, worker in enumerate(workers)}
    gender, everybody = self_descriptions.BY_NAME["gender"], [worker.pk for worker in workers]

    def counted(members):
        return set(bias._counted(batch.project, gender, "2026-01-01", everybody, members))

    before = counted(said)
    gone = next(pk for pk in before if said[pk] == "woman")
    after = counted({pk: choice for pk, choice in said.items() if pk != gone})
    assert len(before) == 48
    assert len(before ^ after) > 5  # not one person alone
    assert counted(said) == before


def test_a_perspective_has_its_groups_too(as_rita):
    batch = asked(24, schema=PERSPECTIVE)
    answered(batch, two_groups(), apart)
    page = as_rita.get(reverse("bias", args=[batch.project.public_id])).content.decode()
    assert "what each group says is the result itself" in page


def test_page_and_api_say_the_same(as_rita):
    batch = asked(24)
    answered(batch, two_groups(), apart)
    page = as_rita.get(reverse("bias", args=[batch.project.public_id])).content.decode()
    said = as_rita.get(f"/api/v1/projects/{batch.project.public_id}/who-answers-how").json()
    women = said["comparisons"][0]["groups"][0]
    assert women["title"] == "Woman"
    assert women["differs"]
    assert women["shares"][1]["shift"] > 0
    assert f"{women['shares'][1]['share']:.0%}".replace("%", " %") in page
    assert "answers differently" in page
    assert (
        f'href="{reverse("bias", args=[batch.project.public_id])}"'
        in as_rita.get(reverse("project", args=[batch.project.public_id])).content.decode()
    )


def test_a_stranger_and_those_who_work_find_nothing(sam, wes, ada):
    batch = asked(24)
    for person in (sam, wes, ada):
        client = signed_in(person)
        assert client.get(reverse("bias", args=[batch.project.public_id])).status_code == 404
        assert client.get(f"/api/v1/projects/{batch.project.public_id}/who-answers-how").status_code == 404


def test_without_anybody_the_page_says_what_it_takes(as_rita):
    batch = work.published()
    page = as_rita.get(reverse("bias", args=[batch.project.public_id])).content.decode()
    assert "at least two groups of 10 or more people" in page


def test_it_looks_at_so_many_of_the_newest_answers_in_as_many_queries_for_few_and_many(settings):
    batch = asked(26)
    answered(batch, two_groups(12, 12), apart)
    with CaptureQueriesContext(
        connection,
    ) as few:
        bias.report(batch.project)
    answered(batch, ["woman", "man"], apart, prefix="q")
    with CaptureQueriesContext(connection) as many:
        bias.report(batch.project)
    assert len(few) == len(many)
    settings.DISAGREEMENT_ANSWERS_MOST = 100
    assert bias.report(batch.project).comparisons == []
