"""Requirements: what is refused, who qualifies, and how that is told; the worked cases of each subject."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from marketplace import projects
from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import Organisation, Project
from tests import make
from tests.tasks import work
from workers import groups, profiles, qualifications, requirements, standings, totals
from workers.models import Grant, Standing, Worker
from workers.requirements import compiling

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(rita) -> Organisation:
    return make.organisation(rita)


@pytest.fixture
def worker(wes) -> Worker:
    return work.worker("wes")


@pytest.fixture
def project(lab) -> Project:
    return make.project(lab)


def named(home: Organisation, worker: Worker) -> str:
    return profiles.introduce(worker, home)


def leaf(of: str, how: str, to: Any = None, **more: Any) -> dict[str, Any]:
    return {"of": of, "is": how, **({} if to is None else {"to": to}), **more}


def asked(project: Project, expression: Any, worker: Worker) -> str:
    """How the worker stands to it: met, missing or unknown, and * where they are let in; all ways of asking agree."""
    project.requirement = expression
    project.save()
    line = requirements.lines(worker, project)[0] if "all" not in expression else None
    let_in = worker in list(requirements.qualifying(project))
    assert let_in == requirements.meets(worker.pk, project.organisation_id, json.dumps(expression))
    assert let_in == (not requirements.missing(worker, project))
    assert requirements.how_many(project) == len(list(requirements.qualifying(project)))
    return f"{line.state if line else ''}{'*' if let_in else ''}"


# What may be said


@pytest.mark.parametrize(
    ("expression", "path", "code"),
    [
        (None, "", "type"),
        ([], "", "type"),
        ({}, "", "option"),
        ({"all": [], "any": []}, "", "option"),
        ({"both": []}, "", "option"),
        ({"all": []}, "all", "length"),
        ({"any": {}}, "any", "length"),
        ({"all": [leaf("country", "Exists"), 3]}, "all[1]", "type"),
        ({"not": [leaf("country", "Exists")]}, "not", "type"),
        (leaf("age", "EqualTo", 3), "of", "unknown"),
        (leaf(3, "EqualTo", 3), "of", "unknown"),
        (leaf("grant", "Exists"), "of", "unknown"),
        (leaf("country:x", "Exists"), "of", "unknown"),
        (leaf("grant:qua_nothing", "Exists"), "of", "not-found"),
        (leaf("credential:qua_nothing", "Exists"), "of", "not-found"),
        (leaf("group:grp_nothing", "Exists"), "of", "not-found"),
        (leaf("country", "Is", "DE"), "is", "option"),
        ({"of": "country", "to": "DE"}, "is", "option"),
        (leaf("country", "LessThan", "DE"), "is", "option"),
        (leaf("standing", "EqualTo", 3), "is", "option"),
        (leaf("country", "EqualTo", "Germany"), "to", "value"),
        (leaf("country", "EqualTo"), "to", "value"),
        (leaf("country", "EqualTo", ["DE"]), "to", "value"),
        (leaf("country", "Exists", "DE"), "to", "unknown"),
        (leaf("country", "In", "DE"), "to", "length"),
        (leaf("country", "In", []), "to", "length"),
        (leaf("country", "In", ["DE", "XX"]), "to", "value"),
        (leaf("language", "EqualTo", "de:Z9"), "to", "value"),
        (leaf("language", "EqualTo", "deu"), "to", "value"),
        (leaf("answers", "LessThan", True), "to", "value"),
        (leaf("answers", "LessThan", 1.5), "to", "value"),
        (leaf("answers", "LessThan", -1), "to", "value"),
        (leaf("approved_share", "LessThan", 1.01), "to", "value"),
        (leaf("approved_share", "LessThan", float("nan")), "to", "value"),
        (leaf("answers", "LessThan", 1, **{"in": "project"}), "in", "option"),
        (leaf("joined_days", "LessThan", 1, **{"in": "site"}), "in", "option"),
        ({**leaf("country", "Exists"), "why": 1}, "why", "unknown"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(lab, expression, path, code):
    assert [(error.path, error.code) for error in requirements.check(expression, lab)][:1] == [(path, code)]


def test_depth_and_number_of_conditions_are_bounded_exactly(lab):
    def nested(depth: int) -> Any:
        return leaf("country", "Exists") if depth == 1 else {"not": nested(depth - 1)}

    assert requirements.check(nested(settings.REQUIREMENT_DEPTH_MOST), lab) == []
    assert requirements.check(nested(settings.REQUIREMENT_DEPTH_MOST + 1), lab)[0].code == "depth"
    most = settings.REQUIREMENT_CONDITIONS_MOST
    half = [leaf("country", "Exists")] * (most // 2)
    assert requirements.check({"all": [{"any": half}, {"any": half}]}, lab) == []
    one_more = {"all": [{"any": half}, {"any": half}, leaf("country", "Exists")]}
    assert [error.code for error in requirements.check(one_more, lab)] == ["length"]


def test_what_is_of_another_organisation_is_not_there(lab, rita):
    olga = make.user("olga")
    other = make.organisation(olga)
    theirs = qualifications.define(other, olga, "Birds")
    group = groups.found(other, olga, "Theirs")
    project = make.project(other)
    practice = qualifications.grant(work.worker("wes"), project, 1.0).qualification
    for subject in (f"grant:{theirs.public_id}", f"grant:{practice.public_id}", f"group:{group.public_id}"):
        errors = requirements.check(leaf(subject, "Exists"), lab)
        assert [error.code for error in errors] == ["not-found"]
        assert requirements.check(leaf(subject, "Exists"), other) == []
    nurse = qualifications.define_credential(make.user("ada", staff=True), "Nurse")
    assert requirements.check(leaf(f"credential:{nurse.public_id}", "Exists"), lab) == []
    assert requirements.check(leaf(f"grant:{nurse.public_id}", "Exists"), lab)[0].code == "not-found"


def test_it_is_set_by_managers_with_every_error_and_never_on_a_closed_project(project, rita, sam):
    wanted = leaf("country", "EqualTo", "DE")
    with pytest.raises(Forbidden):
        requirements.require(project, sam, wanted)
    with pytest.raises(Invalid) as refused:
        requirements.require(project, rita, {"all": [leaf("age", "Exists"), leaf("country", "EqualTo", 1)]}, ["grp_x"])
    paths = [error["path"] for error in refused.value.facts["errors"]]
    assert paths == ["requirement.all[0].of", "requirement.all[1].to", "groups[0]"]
    requirements.require(project, rita, wanted)
    assert Project.objects.get(pk=project.pk).requirement == wanted
    requirements.require(project, rita, None)
    assert Project.objects.get(pk=project.pk).requirement is None
    Project.objects.filter(pk=project.pk).update(state="closed")
    with pytest.raises(IllegalMove):
        requirements.require(project, rita, wanted)
    with pytest.raises(Invalid):
        projects.revise(make.project(project.organisation), rita, requirement=wanted)  # not by this way


# Who qualifies


@pytest.mark.parametrize(
    ("how", "to", "stands"),
    [
        ("LessThan", 0.8, "missing"), ("LessThan", 0.81, "met*"),
        ("LessThanOrEqualTo", 0.8, "met*"), ("LessThanOrEqualTo", 0.79, "missing"),
        ("GreaterThan", 0.8, "missing"), ("GreaterThan", 0.79, "met*"),
        ("GreaterThanOrEqualTo", 0.8, "met*"), ("GreaterThanOrEqualTo", 0.81, "missing"),
        ("EqualTo", 0.8, "met*"), ("EqualTo", 1, "missing"), ("NotEqualTo", 0.8, "missing"), ("NotEqualTo", 1, "met*"),
        ("In", [1, 0.8], "met*"), ("In", [1, 2], "missing"), ("NotIn", [1, 0.8], "missing"), ("NotIn", [1, 2], "met*"),
        ("Exists", None, "met*"), ("DoesNotExist", None, "missing"),
    ],
)  # fmt: skip
def test_a_score_is_compared_in_every_way(lab, project, worker, rita, how, to, stands):
    birds = qualifications.define(lab, rita, "Birds")
    subject = f"grant:{birds.public_id}"
    without = asked(project, leaf(subject, how, to), worker)
    assert without == ("met*" if how == "DoesNotExist" else "missing")  # no score is no number
    qualifications.give(birds, rita, [(named(lab, worker), 0.8)])
    assert asked(project, leaf(subject, how, to), worker) == stands
    Grant.objects.update(expires_at=clock.now())
    assert asked(project, leaf(subject, how, to), worker) == without
    Grant.objects.update(expires_at=None, revoked_at=clock.now())
    assert asked(project, leaf(subject, how, to), worker) == without


@pytest.mark.parametrize(
    ("languages", "how", "to", "stands"),
    [
        ({}, "EqualTo", "de", "unknown"), ({}, "NotEqualTo", "de", "unknown"), ({}, "Exists", None, "unknown"),
        ({}, "DoesNotExist", None, "met*"), ({"de": ""}, "Exists", None, "met*"),
        ({"de": ""}, "DoesNotExist", None, "missing"),
        ({"de": "C1"}, "EqualTo", "de", "met*"), ({"fr": "C1"}, "EqualTo", "de", "missing"),
        ({"de": "C1"}, "EqualTo", "de:B2", "met*"), ({"de": "B2"}, "EqualTo", "de:B2", "met*"),
        ({"de": "B1"}, "EqualTo", "de:B2", "missing"), ({"de": ""}, "EqualTo", "de:B2", "unknown"),
        ({"de": ""}, "In", ["fr", "de:B2"], "unknown"), ({"de": "", "fr": ""}, "In", ["fr", "de:B2"], "met*"),
        ({"de": "A1"}, "NotEqualTo", "de", "missing"), ({"fr": ""}, "NotIn", ["de", "en"], "met*"),
    ],
)  # fmt: skip
def test_a_language_not_stated_is_unknown_and_does_not_pass(project, worker, languages, how, to, stands):
    profiles.state(worker, languages=languages)
    assert asked(project, leaf("language", how, to), worker) == stands
    if stands == "unknown":
        assert "Say on your profile which languages" in requirements.missing(worker, project)[0]
        assert asked(project, {"not": leaf("language", how, to)}, worker) == "unknown"


def test_a_country_not_stated_is_unknown_and_does_not_pass(project, worker):
    stands = {
        "": ["unknown", "unknown", "unknown", "met*"],
        "DE": ["met*", "met*", "missing", "missing"],
        "FR": ["missing", "met*", "met*", "missing"],
    }
    conditions = [
        leaf("country", "EqualTo", "DE"),
        leaf("country", "In", ["DE", "FR"]),
        leaf("country", "NotEqualTo", "DE"),
        leaf("country", "DoesNotExist"),
    ]
    for country, expected in stands.items():
        profiles.state(worker, country=country)
        assert [asked(project, one, worker) for one in conditions] == expected


def test_answers_are_counted_in_the_organisation_or_on_the_site(lab, project, worker):
    other = make.organisation(make.user("olga"))
    here = {"in": "organisation"}
    for how, to in (("LessThan", 1), ("EqualTo", 0), ("NotEqualTo", 1), ("In", [0, 5]), ("LessThanOrEqualTo", 0)):
        assert asked(project, leaf("answers", how, to), worker) == "met*", how  # who has done nothing has done 0
    assert asked(project, leaf("answers", "GreaterThanOrEqualTo", 1), worker) == "missing"
    totals.add([(lab.pk, worker.pk, 3, 0), (other.pk, worker.pk, 2, 1)])
    assert asked(project, leaf("answers", "EqualTo", 5), worker) == "met*"
    assert asked(project, leaf("answers", "EqualTo", 3, **here), worker) == "met*"
    assert asked(project, leaf("answers", "GreaterThan", 3, **here), worker) == "missing"
    assert asked(project, leaf("answers", "LessThan", 4, **here), worker) == "met*"
    assert asked(project, leaf("answers", "LessThan", 3, **here), worker) == "missing"


def test_below_so_many_decided_answers_the_approved_share_is_unknown_and_keeps_nobody_out(lab, project, worker):
    least = settings.APPROVED_SHARE_LEAST_ANSWERS
    wanted = leaf("approved_share", "GreaterThanOrEqualTo", 0.9)
    denied = {"not": leaf("approved_share", "LessThan", 0.9)}
    assert asked(project, wanted, worker) == asked(project, denied, worker) == "unknown*"
    totals.add([(lab.pk, worker.pk, 0, least - 1)])
    assert asked(project, wanted, worker) == asked(project, denied, worker) == "unknown*"
    assert asked(project, {"any": [denied, leaf("country", "EqualTo", "DE")]}, worker) == "unknown*"
    totals.add([(lab.pk, worker.pk, 0, 1)])
    assert asked(project, wanted, worker) == asked(project, denied, worker) == "missing"
    totals.add([(lab.pk, worker.pk, 9 * least, 0)])  # exactly nine of ten
    assert asked(project, wanted, worker) == asked(project, denied, worker) == "met*"
    assert asked(project, leaf("approved_share", "GreaterThan", 0.9), worker) == "missing"


def test_days_since_joining(project, worker):
    Worker.objects.filter(pk=worker.pk).update(joined_at=clock.now() - timedelta(days=30, minutes=1))
    assert asked(project, leaf("joined_days", "GreaterThanOrEqualTo", 30), worker) == "met*"
    assert asked(project, leaf("joined_days", "GreaterThan", 30), worker) == "missing"
    assert asked(project, leaf("joined_days", "EqualTo", 30), worker) == "met*"


def test_who_was_stopped_here_lately_does_not_pass_until_it_is_long_ago_or_lifted(lab, project, worker):
    never, lately = leaf("standing", "DoesNotExist"), leaf("standing", "GreaterThan", 30)

    def both() -> list[str]:
        return [asked(project, one, worker) for one in (never, lately)]

    assert both() == ["met*", "met*"]
    elsewhere = make.project(make.organisation(make.user("olga")))
    standings.put(worker, Standing.Kind.STOPPED, project=elsewhere)
    standings.put(worker, Standing.Kind.SMALL_PAGES, project=project, page_size=1)
    assert both() == ["met*", "met*"]
    stop = standings.put(worker, Standing.Kind.STOPPED, project=make.project(lab), until=clock.now())
    assert both() == ["missing", "missing"]
    assert asked(project, leaf("standing", "Exists"), worker) == "met*"
    Standing.objects.filter(pk=stop.pk).update(until=clock.now() - timedelta(days=31))
    assert both() == ["missing", "met*"]
    standings.lift(stop)  # it should not have been
    assert both() == ["met*", "met*"]
    standings.put(worker, Standing.Kind.STOPPED)
    assert both() == ["missing", "missing"]


def test_groups_and_credentials_are_there_or_not(lab, project, worker, rita, ada):
    group = groups.found(lab, rita, "Ours")
    nurse = qualifications.define_credential(ada, "Nurse")
    ours, is_nurse = leaf(f"group:{group.public_id}", "Exists"), leaf(f"credential:{nurse.public_id}", "Exists")
    assert asked(project, ours, worker) == asked(project, is_nurse, worker) == "missing"
    assert asked(project, {**ours, "is": "DoesNotExist"}, worker) == "met*"
    groups.add(group, rita, [named(lab, worker)])
    qualifications.put(worker, nurse, 1.0, Grant.Origin.VERIFIED, ada, None)
    assert asked(project, ours, worker) == asked(project, is_nurse, worker) == "met*"
    groups.leave(group, worker)
    assert asked(project, ours, worker) == "missing"


def test_all_any_and_not_keep_what_is_unknown(project, worker):
    yes, no, unknown = leaf("answers", "EqualTo", 0), leaf("answers", "EqualTo", 1), leaf("country", "EqualTo", "DE")
    table = {"met*": yes, "missing": no, "unknown": unknown}
    for left, first in table.items():
        assert asked(project, {"not": first}, worker) == {"met*": "missing", "missing": "met*"}.get(left, left)
        for right, second in table.items():
            pair = {left, right}
            both = "missing" if "missing" in pair else "unknown" if "unknown" in pair else "met*"
            either = "met*" if "met*" in pair else "unknown" if "unknown" in pair else "missing"
            assert asked(project, {"any": [first, second]}, worker) == either
            assert asked(project, {"any": [{"all": [first, second]}]}, worker) == both
            assert asked(project, {"all": [first, second]}, worker) == ("*" if both == "met*" else "")


def test_no_value_stands_in_the_statement():
    spoilt = leaf("language", "In", ["de:B2", "fr"]) | {"note": "'; DROP TABLE"}
    everything = {
        "all": [
            spoilt,
            leaf("country", "In", ["DE"]),
            leaf("answers", "LessThan", 41),
            leaf("approved_share", "In", [0.4242]),
            leaf("joined_days", "NotIn", [4343]),
            leaf("standing", "GreaterThan", 4444),
            leaf("grant:qua_nothing", "EqualTo", 4545),
            leaf("group:grp_nothing", "Exists"),
        ]
    }
    sql = requirements.compile(everything).sql
    assert not [text for text in ("de'", "B2", "DE", "41", "42", "43", "44", "45", "qua_", "grp_") if text in sql]


# In words


def test_a_worker_reads_what_is_met_what_is_missing_and_what_is_unknown(lab, project, worker, rita, ada):
    birds = qualifications.define(lab, rita, "Birds")
    nurse = qualifications.define_credential(ada, "Nurse")
    project.requirement = {
        "all": [
            leaf(f"grant:{birds.public_id}", "GreaterThanOrEqualTo", 0.8),
            {"any": [leaf(f"credential:{nurse.public_id}", "Exists"), leaf("language", "EqualTo", "de:C1")]},
            leaf("country", "In", ["DE", "AT", "CH"]),
            {"not": leaf("answers", "LessThan", 1000, **{"in": "organisation"})},
            leaf("approved_share", "GreaterThan", 0.955),
            leaf("standing", "GreaterThanOrEqualTo", 90),
        ]
    }
    project.save()
    qualifications.give(birds, rita, [(named(lab, worker), 0.9)])
    assert requirements.describe(project.requirement) == [
        "Your score in “Birds” is at least 0.8.",
        "At least one of these: you hold the credential “Nurse”, verified by an admin; "
        "you speak German at level C1 or above.",
        "You live in Germany, Austria or Switzerland.",
        "Not so: the number of your answers that were accepted by this organisation is less than 1,000.",
        "Of your answers that were decided for good on this site, more than 95.5 % were accepted.",
        "You were not stopped in this organisation's work in the last 90 days.",
    ]
    lines = requirements.lines(worker, project)
    assert [line.state for line in lines] == ["met", "unknown", "unknown", "missing", "unknown", "met"]
    assert [line.is_in_the_way for line in lines] == [False, True, True, True, False, False]
    assert requirements.missing(worker, project)[1] == (
        "You live in Germany, Austria or Switzerland. Say on your profile in which country you live."
    )


# For groups alone


def test_a_project_for_groups_is_for_those_in_one_of_them(lab, project, worker, rita):
    mine, other = groups.found(lab, rita, "Ours", "private"), groups.found(lab, rita, "Vendor", "vendor")
    requirements.require(project, rita, None, [mine.public_id, other.public_id])
    project.refresh_from_db()
    everybody = Project.objects.all()
    assert project.is_private
    assert (list(groups.open_to(worker, everybody)), requirements.how_many(project)) == ([], 0)
    groups.add(other, rita, [named(lab, worker)])
    assert list(groups.open_to(worker, everybody)) == [project] == list(groups.open_to(worker, everybody))
    assert list(requirements.qualifying(project)) == [worker]
    requirements.require(project, rita, None, [mine.public_id])
    assert list(groups.open_to(worker, everybody)) == []
    requirements.require(project, rita, None)
    assert list(groups.open_to(worker, everybody)) == [project]


# What it costs

PEOPLE = 100_000
CROWD = """
WITH users AS (
    INSERT INTO marketplace_user (public_id, email, name, password, is_superuser, is_staff, is_active, date_joined)
    SELECT 'u' || n, 'u' || n || '@example.org', '', '', false, false, true, now() FROM generate_series(1, %(n)s) n
    RETURNING id)
INSERT INTO workers_worker (public_id, user_id, state, joined_at, country, languages)
SELECT 'w' || id, id, 'active', now() - (id %% 100) * interval '1 day', (ARRAY['DE', 'FR', ''])[id %% 3 + 1],
    (ARRAY['{"de": "C1"}', '{"fr": ""}', '{}'])[id %% 3 + 1]::jsonb FROM users
"""
HELD = """INSERT INTO workers_grant (worker_id, qualification_id, score, granted_at)
    SELECT id, %(key)s, (id %% 10) / 10.0, now() FROM workers_worker WHERE id %% 2 = 0"""
INSIDE = """INSERT INTO workers_groupmember (group_id, worker_id, added_by_id, added_at)
    SELECT %(key)s, id, %(by)s, now() FROM workers_worker WHERE id %% 2 = 0"""
DONE = """INSERT INTO workers_record (worker_id, organisation_id, approved, rejected)
    SELECT id, home, id %% 50, id %% 5 FROM workers_worker, (VALUES (%(key)s), (NULL)) AS home (home)"""


@pytest.mark.parametrize("is_private", [False, True])
def test_who_qualifies_of_100_000_is_one_query_that_hashes_or_probes_an_index(
    lab, rita, is_private, django_assert_num_queries
):
    birds, group = qualifications.define(lab, rita, "Birds"), groups.found(lab, rita, "Ours")
    project = make.project(lab)
    run = connection.cursor().execute
    run(CROWD, {"n": PEOPLE})
    run(HELD, {"key": birds.pk})
    run(INSIDE, {"key": group.pk, "by": rita.pk})
    run(DONE, {"key": lab.pk})
    for table in ("worker", "grant", "groupmember", "record", "standing"):
        run(f"ANALYZE workers_{table}")
    requirement = {
        "all": [
            {"any": [leaf(f"grant:{birds.public_id}", "GreaterThan", 0.3), leaf("language", "EqualTo", "de:B2")]},
            {"not": leaf(f"group:{group.public_id}", "DoesNotExist")},
            leaf("country", "NotEqualTo", "FR"),
            leaf("answers", "GreaterThan", 3),
            leaf("answers", "LessThan", 48, **{"in": "organisation"}),
            {"any": [leaf("approved_share", "GreaterThan", 0.5), leaf("joined_days", "GreaterThan", 50)]},
            leaf("standing", "GreaterThan", 10),
        ]
    }
    requirements.require(project, rita, requirement, [group.public_id] if is_private else [])
    compiling.of_text.cache_clear()
    requirements.how_many(project)
    with django_assert_num_queries(1):
        found = requirements.how_many(project)
    assert 1000 < found < PEOPLE / 2
    where, values = requirements.verbs._who(project)
    cursor = connection.cursor()
    asked = f"SELECT count(*) FROM workers_worker w WHERE {where}"
    cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {asked}", values)
    explained = cursor.fetchone()[0][0]
    again = {node["Node Type"] for node in _nodes(explained["Plan"]) if node["Actual Loops"] > 100}
    assert again <= {"Index Scan", "Index Only Scan", "Memoize"}, again
    assert explained["Execution Time"] < 3_000  # some 300 ms where nothing else runs

    one = Worker.objects.filter(public_id__startswith="w").order_by("-pk")[0]  # and one worker is a few probes
    compiled = requirements.compile(requirement)
    facts = {**compiled.values, **compiling.given(lab.pk), "worker": one.pk}
    cursor.execute(
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT {compiled.sql} FROM workers_worker w WHERE w.id = %(worker)s",
        facts,
    )
    plan = cursor.fetchone()[0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 60
    read = {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert read <= {"workers_standing", "marketplace_project"}  # which have next to no rows


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]
