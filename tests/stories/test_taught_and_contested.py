"""A worker is taught, tested, measured by gold that is wrong, stopped for it, and given everything back, over HTTP."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from tasks import audit, jobs
from tasks.models import Appeal, Assignment
from tests.stories import test_main_job as main
from tests.stories.test_main_job import Person, all_cats, truthful

pytestmark = pytest.mark.django_db(transaction=True)

TEACHING = {"practice_size": 2, "exam_size": 2, "exam_pass_mark": 1.0, "exam_attempts": 2, "exam_cooldown_s": 3600}
RULE = {
    "name": "Missed checks",
    "collector": "gold",
    "conditions": [
        {"figure": "total", "is": "GreaterThanOrEqualTo", "to": 3},
        {"figure": "correct_share", "is": "LessThan", "to": 0.5},
    ],
    "action": {"kind": "stop", "hours": 24},
}


def cluster() -> None:
    """What the cluster does, rules and second looks among it."""
    for _ in range(2):
        main.cluster()
        for step in (jobs.suspect_gold, jobs.apply_rules):
            while step():
                pass


def posted(rita: Person, cats: int = 12, owls: int = 8, **terms: Any) -> tuple[str, str, str]:
    """Rita's project with so many items and known ones, published: (organisation, project, batch)."""
    home = rita.post("organisations", {"name": "Rita's lab"}, 201)["id"]
    rita.post(f"organisations/{home}/prepayments", {"amount_micros": 50_000_000, "currency": "USD"}, 201)
    offer = {"organisation": home, "title": "Animals", "schema": main.SCHEMA, "price_micros": main.PRICE}
    terms = {
        "redundancy_min": 2,
        "redundancy_max": 2,
        "page_size": 5,
        "gold_share": 0.5,
        "accept_after_s": 3600,
        **terms,
    }
    project = rita.post("projects", {**offer, "guideline": "# Look\nAt the ears.", **terms}, 201)["id"]
    dataset = rita.post("datasets", {"organisation": home, "name": "Zoo"}, 201)["id"]
    rows = [{"id": f"k{n}", "text": f"a cat, number {n}"} for n in range(cats)]
    rows += [{"id": f"g{n}", "text": f"an owl, number {n}", "answer": "owl"} for n in range(owls)]
    told = {"format": "jsonl", "key_column": "id", "truth_columns": '{"answer": "animal"}', "project": project}
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    Person._read(rita.http.post(f"datasets/{dataset}/imports", files={"file": ("zoo.jsonl", lines)}, data=told), 201)
    main.cluster()
    batch = rita.post(f"projects/{project}/publish", {"dataset": dataset}, 201)["id"]
    main.cluster()
    return home, project, batch


def test_a_worker_is_taught_tested_stopped_on_wrong_gold_and_given_everything_back(live_server):
    rita = Person(live_server.url, "rita@example.org", "offer")
    wes = Person(live_server.url, "wes@example.org", "work")
    ann = Person(live_server.url, "ann@example.org", "work")
    _, project, batch = posted(rita, **TEACHING)
    lesson = rita.post(f"projects/{project}/lessons", {"title": "Ears", "text": "Owls have **tufts**."}, 201)
    for n in range(3):  # she takes three cats for owls
        rita.post(f"batches/{batch}/gold", {"key": f"k{n}", "truth": {"animal": "owl"}, "explanation": "Tufts."}, 201)
    rule = rita.post(f"projects/{project}/rules", RULE, 201)
    rita.post(f"rules/{rule['id']}/try")
    rita.post(f"rules/{rule['id']}/on")

    learns(wes, project, lesson["id"])
    sits(wes, project)
    learns(ann, project, lesson["id"])
    sits(ann, project, fails=False)

    # his first page misses every wrong check; Rita believes her checks and rejects one of his answers for it
    page = works(wes, project, truthful)
    assert len(page["tasks"]) == 5
    missed = next(task for task in page["tasks"] if int(task["payload"]["text"].split()[-1]) < 3)
    contested = f"{page['id']}-{missed['position']}"
    rejected = rita.post(f"answers/{contested}/reject", {"reason_code": "wrong", "reason": "An owl."}, 201)
    cluster()
    works(ann, project, truthful)
    refused = wes.post(f"work/projects/{project}/claim", expect=403)
    assert refused["type"] == "/problems/stopped"
    assert wes.get(f"work/projects/{project}")["next"] == "stopped"
    score_before, labels_before = accuracy(wes), confidences(rita, batch)

    # he is told why and on what evidence, and contests decision and check
    told = {row["kind"]: row for row in wes.get("work/decisions")["items"]}
    stop = wes.get(f"work/decisions/{told['stop']['id']}")
    assert (stop["by_rule"], stop["facts"]["total"], len(stop["checks"])) == (True, 3, 3)
    assert any("offered no more" in row["subject"] for row in wes.get("notices")["items"])
    wes.post(f"work/decisions/{stop['id']}/appeal", {"statement": "They are cats. Look at the texts."}, 201)
    assert told["reject"]["answer"] == contested
    assert contested in [check["answer"] for check in stop["checks"]]
    wes.post(f"work/known-answers/{contested}/contest", {"statement": "It says cat."}, 201)
    (work, *_) = {f"{page['id']}-{n}" for n in range(5)} - {check["answer"] for check in stop["checks"]}
    wes.post(f"work/known-answers/{work}/contest", {"statement": "It says cat."}, 404)  # nobody finds out what is gold

    # Rita looks at it and overturns the check: with it goes everything that rested on it
    (doubted,) = [row for row in rita.get(f"projects/{project}/gold", limit=200)["items"] if row["contested"]]
    rita.post(f"gold/{doubted['id']}/overturn", {"truth": {"animal": "cat"}, "reason": "It is a cat, I was wrong."})
    run_jobs()
    cluster()
    labels_after = confidences(rita, batch)
    assert labels_after != labels_before  # computed again, without what was wrong
    now = {row["kind"]: row for row in wes.get("work/decisions")["items"]}
    assert {kind: row["state"] for kind, row in now.items()} == {"stop": "overturned", "reject": "overturned"}
    assert now["stop"]["appeal"]["state"] == "upheld"
    assert now["reject"]["id"] == rejected["id"]
    assert accuracy(wes) > score_before
    works(wes, project, truthful)
    state = next(row["state"] for row in wes.get("work/answers", limit=200)["items"] if row["id"] == contested)
    assert state == "accepted"
    cluster()
    assert contested in paid(wes)
    assert audit.check() == []


def test_an_admin_works_a_queue_of_three_appeals(live_server):
    rita = Person(live_server.url, "rita@example.org", "offer")
    wes = Person(live_server.url, "wes@example.org", "work")
    ada = Person(live_server.url, "ada@example.org", "admin", staff=True)
    home, project, _ = posted(rita, owls=0, gold_share=0.0)
    wes.post(f"work/projects/{project}/acknowledge", {"version": 1}, expect=204)
    page = works(wes, project, truthful)
    appeals = []
    for task in page["tasks"][:3]:
        why = {"reason_code": "wrong", "reason": "No cat."}
        decision = rita.post(f"answers/{page['id']}-{task['position']}/reject", why, 201)
        appeals.append(wes.post(f"work/decisions/{decision['id']}/appeal", {"statement": "It says cat."}, 201)["id"])
        rita.post(f"decisions/{decision['id']}/statements", {"statement": "It does not look like one."}, 201)
    waiting = ada.get("appeals", state="open")["items"]
    assert {row["id"] for row in waiting} == set(appeals)
    assert {row["statements"][0]["side"] for row in waiting} == {"requester"}

    ada.post(f"appeals/{appeals[0]}/dismiss", {"reason": "The guideline says owls look like that."})
    ada.post(f"appeals/{appeals[1]}/uphold", {"reason": "It does say cat."})
    Appeal.objects.filter(public_id=appeals[2]).update(due_at=F("opened_at"))
    jobs.uphold_overdue()
    states = {row["id"]: row["state"] for row in ada.get("appeals")["items"]}
    assert [states[appeal] for appeal in appeals] == ["dismissed", "upheld", "upheld"]
    assert ada.get("appeals", state="open")["items"] == []
    ada.post(f"appeals/{appeals[2]}/dismiss", {"reason": "Too late."}, expect=409)

    cluster()
    answers = {row["id"]: row["state"] for row in wes.get("work/answers")["items"]}
    assert [answers[f"{page['id']}-{task['position']}"] for task in page["tasks"][:3]] == [
        "rejected",
        "accepted",
        "accepted",
    ]
    conduct = wes.get(f"work/projects/{project}")["conduct"]
    assert conduct == {"decided": 3, "contested": 3, "overturned": 2}
    assert [row["state"] for row in rita.get(f"organisations/{home}/decisions")["items"]].count("overturned") == 2
    assert audit.check() == []


def learns(person: Person, project: str, lesson: str) -> None:
    """Guideline, lesson, and practice with feedback after each task."""
    assert person.get(f"work/projects/{project}")["next"] == "read"
    person.post(f"work/projects/{project}/acknowledge", {"version": 1}, expect=204)
    assert person.get(f"work/projects/{project}")["next"] == "lessons"
    person.post(f"work/lessons/{lesson}/read", expect=204)
    assert person.get(f"work/projects/{project}")["next"] == "practise"
    page = person.post(f"work/projects/{project}/practice", expect=201)
    for task, given in zip(page["tasks"], all_cats(page)["answers"], strict=True):
        marked = person.post(f"assignments/{page['id']}/check", given)
        assert (marked["position"], marked["truth"], marked["right"]) == (
            task["position"],
            {"animal": "owl"},
            {"animal": False},
        )
        assert marked["differs"]
    person.post(f"assignments/{page['id']}/submit", {"answers": []})


def sits(person: Person, project: str, fails: bool = True) -> None:
    """The exam: failed and waited for, or passed at once."""
    offer = person.get(f"work/projects/{project}")
    assert offer["next"] == "exam"
    assert {row["kind"]: row["price_micros"] for row in offer["training"]} == {"practice": 0, "exam": 0}
    if fails:
        page = person.post(f"work/projects/{project}/exam", expect=201)
        person.post(f"assignments/{page['id']}/submit", all_cats(page))
        result = person.get(f"assignments/{page['id']}/result")
        assert (result["passed"], result["attempts_left"], "truth" in json.dumps(result)) == (False, 1, False)
        refused = person.post(f"work/projects/{project}/exam", expect=409)
        assert refused["type"] == "/problems/exam-too-soon"
        assert person.get(f"work/projects/{project}")["next"] == "wait"
        assert person.post(f"work/projects/{project}/claim", expect=403)["type"] == "/problems/practice-needed"
        earlier = {name: F(name) - timedelta(hours=2) for name in ("claimed_at", "submitted_at", "leased_until")}
        Assignment.objects.filter(purpose="exam").update(**earlier)  # two hours pass
    page = person.post(f"work/projects/{project}/exam", expect=201)
    person.post(f"assignments/{page['id']}/submit", truthful(page))
    assert person.get(f"assignments/{page['id']}/result")["passed"]
    assert person.get(f"work/projects/{project}")["next"] == "start"


def works(person: Person, project: str, answers: Any) -> dict[str, Any]:
    """One page, handed in and weighed."""
    page = person.post(f"work/projects/{project}/claim", expect=201)
    person.post(f"assignments/{page['id']}/submit", answers(page))
    main.cluster()
    return page


def run_jobs() -> None:
    """What was enqueued, as the cluster runs it."""
    for row in OrmQ.objects.order_by("pk"):
        job = row.task
        import_string(job["func"])(*job["args"])
        row.delete()


def accuracy(person: Person) -> float:
    return person.get("work/reliability")["items"][0]["accuracy"]


def confidences(rita: Person, batch: str) -> dict[str, float]:
    """How sure each label is."""
    rows = [json.loads(line) for line in rita.http.get(f"batches/{batch}/labels.jsonl").text.splitlines()]
    return {row["key"]: row["confidence"]["animal"] for row in rows if row["confidence"]}


def paid(person: Person) -> set[str]:
    return {row["id"] for row in person.get("work/answers", limit=200)["items"] if row["settled"]}
