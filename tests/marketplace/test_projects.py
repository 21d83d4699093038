import pytest

from marketplace import accounts, guidelines, projects
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import Project, Role
from tests import make

pytestmark = pytest.mark.django_db


def paths(refusal):
    return [error["path"] for error in refusal.value.facts["errors"]]


def test_a_draft_is_offered_to_nobody(rita):
    project = make.project(make.organisation(rita), guideline="Look closely.")
    assert (project.state, project.mode, project.schema_version) == ("draft", "sandbox", 1)
    assert project.guidelines.get().text == "Look closely."
    assert not Project.objects.offered().exists()


def test_the_schema_is_kept_with_every_default_filled_in():
    assert make.project().schema["fields"][0]["options"][0] == {"value": "cat", "title": "cat"}


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(Invalid) as refusal:
        make.project(
            title="", price_micros=0, schema={"fields": [{"type": "nothing"}]}, lease_s=1, currency="XXX", size=1
        )
    assert {"title", "price_micros", "lease_s", "currency", "size"} < set(paths(refusal))
    assert any(path.startswith("schema.fields[0]") for path in paths(refusal))
    assert not Project.objects.exists()


@pytest.mark.parametrize(("name", "bounds"), projects.RANGES.items())
def test_each_term_is_taken_at_its_limits_and_not_beyond(name, bounds):
    for value in (bounds.least, bounds.most):
        extra = {"redundancy_max": value} if name == "redundancy_min" else {}
        extra |= {"redundancy_min": 1} if name == "redundancy_max" else {}
        assert getattr(make.project(**{name: value, **extra}), name) == value
    step = 1 if bounds.kind is int else 0.001
    for value in (bounds.least - step, bounds.most + step, "1", None, True, float("nan")):
        with pytest.raises(Invalid) as refusal:
            make.project(**{name: value})
        assert name in paths(refusal)


def test_an_unsure_task_gets_no_fewer_answers_than_a_sure_one():
    assert make.project(redundancy_min=4, redundancy_max=4)
    with pytest.raises(Invalid) as refusal:
        make.project(redundancy_min=4)
    assert paths(refusal) == ["redundancy_max"]


def test_only_managers_and_owners_draft(rita, wes, sam):
    organisation = make.organisation(rita)
    accounts.add_member(organisation, wes.email, Role.REVIEWER, rita)
    for user in (wes, sam):
        with pytest.raises(Forbidden):
            projects.draft(organisation, user, "Mine", make.SCHEMA, 1)


def test_a_revision_changes_what_it_names(rita):
    project = make.project(make.organisation(rita))
    revised = projects.revise(project, rita, title="New", page_size=5)
    assert (revised.title, revised.page_size, revised.schema_version) == ("New", 5, 1)


def test_only_another_schema_is_another_version(rita):
    project = make.project(make.organisation(rita))
    projects.revise(project, rita, schema=make.SCHEMA)
    assert project.schema_version == 1
    projects.revise(project, rita, schema={"fields": [{"name": "note", "type": "text"}]})
    assert project.schema_version == 2


def test_a_revision_that_is_refused_changes_nothing(rita):
    project = make.project(make.organisation(rita))
    with pytest.raises(Invalid):
        projects.revise(project, rita, title="New", price_micros=-1)
    assert project.title == Project.objects.get().title == "Animals"


def test_the_currency_stays_once_a_project_was_published(rita):
    project = make.project(make.organisation(rita))
    assert projects.revise(project, rita, currency="EUR").currency == "EUR"
    opened(project)
    with pytest.raises(IllegalMove):
        projects.revise(project, rita, currency="USD")


def opened(project):
    Project.objects.filter(pk=project.pk).update(state="open")
    project.refresh_from_db()
    return project


def test_a_pause_can_be_ended(rita):
    project = opened(make.project(make.organisation(rita)))
    assert projects.pause(project, rita).state == "paused"
    assert not Project.objects.offered().exists()
    assert projects.resume(project, rita).state == "open"
    assert Project.objects.offered().exists()


def test_a_draft_is_neither_paused_nor_resumed(rita):
    project = make.project(make.organisation(rita))
    for verb in (projects.pause, projects.resume):
        with pytest.raises(IllegalMove):
            verb(project, rita)


def test_a_closed_project_stays_as_it_is(rita):
    project = make.project(make.organisation(rita))
    Project.objects.update(state="closed")
    for refused in (
        lambda: projects.revise(project, rita, title="New"),
        lambda: guidelines.write(project, rita, "New"),
        lambda: projects.resume(project, rita),
    ):
        with pytest.raises(IllegalMove):
            refused()


def test_strangers_change_nothing(sam):
    project = opened(make.project())
    for refused in (
        lambda: projects.revise(project, sam, title="New"),
        lambda: guidelines.write(project, sam, "New"),
        lambda: projects.pause(project, sam),
        lambda: projects.resume(project, sam),
    ):
        with pytest.raises(Forbidden):
            refused()
