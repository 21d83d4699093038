import pytest
from django.db import IntegrityError, transaction

from marketplace import accounts
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import AuditEvent, Project
from tasks import rules
from tasks.models import Gold, Rule
from tests import make
from tests.tasks.ruled import MISSED, STOP, batch, rule, when

pytestmark = pytest.mark.django_db


def test_a_rule_is_on_only_after_it_was_tried():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    with pytest.raises(IllegalMove, match="try it"):
        rules.switch_on(made, rita)
    rules.try_on_past(made, rita)
    assert rules.switch_on(made, rita).state == "on"
    with pytest.raises(IntegrityError, match="rule_on_was_tried"), transaction.atomic():
        Rule.objects.update(tried_at=None)
    assert rules.switch_off(made, rita).state == "off"
    verbs = AuditEvent.objects.filter(target_type="rule").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["draft", "try", "switch_on", "switch_off"]


def test_a_revision_is_a_new_version_to_be_tried_anew_and_the_old_one_goes_off():
    here, rita = batch(), make.user("rita")
    first = rule(here.project)
    second = rules.revise(first, rita, action={"kind": "stop", "hours": 2})
    first.refresh_from_db()
    assert (first.state, first.action, second.state, second.version) == ("off", STOP, "draft", 2)
    assert (second.conditions, second.family) == (first.conditions, first.pk)
    with pytest.raises(IllegalMove):
        rules.switch_on(second, rita)
    for verb in (rules.switch_on, rules.revise):
        with pytest.raises(IllegalMove, match="newer version"):
            verb(first, rita)
    assert list(Rule.objects.newest()) == [second]
    assert rules.revise(second, rita, name="Again").family == first.pk


def test_only_managers_write_rules():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    rosa = make.user("rosa")
    accounts.add_member(here.project.organisation, "rosa@example.org", "reviewer", rita)
    for person in (rosa, make.user("sam")):
        for verb in (rules.try_on_past, rules.switch_on, rules.switch_off, rules.revise):
            with pytest.raises(Forbidden):
                verb(made, person)
        with pytest.raises(Forbidden):
            rules.draft(here.project, person, "Mine", "gold", MISSED, STOP)


def test_a_rule_that_fits_the_project_no_more_is_not_switched_on():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    rules.try_on_past(made, rita)
    Project.objects.update(gold_share=0)
    Gold.objects.update(purpose="practice")
    with pytest.raises(Invalid):
        rules.switch_on(made, rita)


def test_a_project_has_only_so_many_rules_that_are_on(settings):
    settings.RULES_MOST = 1
    here = batch()
    rule(here.project)
    with pytest.raises(Invalid, match="at most 1"):
        rule(here.project)


def test_a_rule_is_said_in_a_plain_sentence():
    here = batch(practice_size=2)
    made = rule(here.project, history=20, on=False)
    assert rules.describe(made) == (
        "When, of a worker's last 20 answers to tasks whose right answer is known, the share that is right is less "
        "than 60 % and the number of checks is at least 4, they are offered no more work of this project for 24 hours."
    )
    made = rule(here.project, "speed", [when("fast", "GreaterThan", 3)], {"kind": "retrain"}, on=False,
                measure={"fast_s": 2})  # fmt: skip
    assert "pages with less than 2 s a task is more than 3, they are asked to pass the training" in rules.describe(made)
