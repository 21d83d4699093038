"""The demo as somebody runs it: a command of its own, a server, a cluster, and kill -9."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.demo import cast, crowd, labelling
from tests import apart

SIZE = ("--items=60", "--people=12", "--seed=4", "--exit", "--port=8700")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), apart.database() as url:
        yield url


@pytest.fixture(scope="module")
def summary(url: str, folder: Path) -> dict[str, Any]:
    """Kill server and cluster in the middle of a demo, kill everything in the middle of the next, and run it again."""
    with apart.started(url, folder, "demo", *SIZE) as demo:
        apart.until(lambda: answers(url) >= 30, within_s=120)
        apart.kill(*apart.below(demo.pid))
        assert demo.wait(30) == 1
        said = (folder / "err.txt").read_text()
        assert "was killed by SIGKILL" in said
        assert "The same command goes on from here." in said
    before = answers(url)
    with apart.started(url, folder, "demo", *SIZE) as demo:
        apart.until(lambda: answers(url) > before or accepted(url), within_s=120)
        everybody = apart.below(demo.pid)
        demo.kill()
        demo.wait()
        apart.until(lambda: not any(map(apart.is_running, everybody)), within_s=15)
    return last_line(url, folder)


def test_a_demo_that_was_killed_goes_on_and_ends_with_nothing_lost(summary: dict[str, Any]):
    assert summary["audit"] == "ok"
    assert summary["ledger_sum_micros"] == 0
    assert summary["tasks"] == 60
    assert summary["accepted_unpaid"] == 0
    assert summary["paid_micros"] == 20_000 * summary["accepted"]
    assert summary["fee_micros"] * 10 == summary["paid_micros"]
    assert 60 * 3 <= summary["answers"] <= 60 * 5 + 1
    assert summary["honest_stopped"] <= 1
    assert summary["consensus_accuracy"] > 0.7


def test_who_guesses_from_the_start_is_never_let_to_the_work(summary: dict[str, Any], url: str):
    """Turned away by the exam; or still at it when the work, which is little, was done."""
    guessing = [person for person in crowd.people(4, 12) if person.kind is crowd.Kind.SPAMMING and not person.patient]
    addresses = ", ".join(f"'crowd-4-{person.number + 1:03d}@{cast.DOMAIN}'" for person in guessing)
    people = "JOIN workers_worker w ON w.id = a.worker_id JOIN marketplace_user u ON u.id = w.user_id"
    given = f"FROM tasks_assignment a {people}"
    assert len(guessing) >= 1
    assert (
        count(url, f"SELECT count(*) {given} WHERE a.purpose = 'work' AND u.email NOT IN ({addresses})") >= 60 * 3 // 12
    )
    assert count(url, f"SELECT count(*) {given} WHERE a.purpose = 'work' AND u.email IN ({addresses})") == 0
    assert count(url, f"SELECT count(*) FROM marketplace_user WHERE email IN ({addresses})") == len(guessing)


def test_it_is_said_how_many_guessers_the_exam_turned_away(summary: dict[str, Any], url: str):
    """Those who are out of attempts, none of which they passed, and never had any work."""
    guessing = [person for person in crowd.people(4, 12) if person.kind is crowd.Kind.SPAMMING]
    addresses = ", ".join(f"'crowd-4-{person.number + 1:03d}@{cast.DOMAIN}'" for person in guessing)
    theirs = "FROM tasks_assignment a JOIN tasks_batch b ON b.id = a.batch_id WHERE a.worker_id = w.id"
    exams = f"SELECT count(*) {theirs} AND a.purpose = 'exam' AND a.submitted_at IS NOT NULL"
    people = "FROM workers_worker w JOIN marketplace_user u ON u.id = w.user_id"
    out = f"({exams}) >= {labelling.TERMS['exam_attempts']} AND NOT EXISTS (SELECT {theirs} AND a.purpose = 'work')"
    turned_away = count(url, f"SELECT count(*) {people} WHERE u.email IN ({addresses}) AND {out}")
    assert summary["spammers_stopped_before_paid_work"] == turned_away
    assert summary["spammers"] == len(guessing)


def test_labels_bought_stand_beside_fixed_redundancy_at_the_same_accuracy(summary: dict[str, Any], url: str):
    query = "SELECT count(*) FROM tasks_answer a JOIN tasks_task t ON t.id = a.task_id WHERE a.attempt = 0"
    in_work = "AND a.state IN ('submitted', 'accepted') AND NOT EXISTS (SELECT FROM tasks_gold WHERE task_id = t.id)"
    assert summary["bought"] == count(url, f"{query} {in_work}")
    assert 0.7 < summary["right_without_gold"] <= 1.0
    needed = summary["fixed_redundancy_needed"]
    assert needed is None or 60 <= needed <= 9 * 60


def test_a_demo_that_has_ended_is_shown_again_at_once(summary: dict[str, Any], url: str, folder: Path):
    again = last_line(url, folder)
    assert again.pop("seconds") < summary["seconds"]
    assert again == {name: value for name, value in summary.items() if name != "seconds"}


def test_nonsense_is_refused(url: str, folder: Path):
    refused = apart.run(url, folder, "demo", "--items=5", "--exit", "--port=8700")
    assert refused.returncode == 1
    assert "--items 10 to" in refused.stderr


def answers(url: str) -> int:
    return count(url, "SELECT count(*) FROM tasks_answer WHERE submitted_at IS NOT NULL AND attempt = 0")


def accepted(url: str) -> int:
    return count(url, "SELECT count(*) FROM tasks_answer WHERE state = 'accepted'")


def count(url: str, query: str) -> int:
    with psycopg.connect(url, autocommit=True) as database:
        try:
            row = database.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return row[0] if row else 0


def last_line(url: str, folder: Path) -> dict[str, Any]:
    ended = apart.run(url, folder, "demo", *SIZE)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found
