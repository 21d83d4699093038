import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.demo import recorded
from tasks.demo.recorded import Unreadable
from tests import apart

ANSWERS = """task,worker,label
a,1,cat
a,2,cat
a,3,dog
b,1,dog
b,2,dog
b,1,cat
c,1,cat
c,3,dog
d,2,owl
"""
TRUTH = "task,label\na,cat\nb,dog\nd,dog\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("replay")


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker) -> Iterator[str]:
    with django_db_blocker.unblock(), apart.database() as url:
        yield url


def files(folder: Path, answers: str = ANSWERS, truth: str = TRUTH) -> tuple[Path, Path]:
    (folder / "answers.csv").write_text(answers)
    (folder / "truth.csv").write_text(truth)
    return folder / "answers.csv", folder / "truth.csv"


def replay(url: str, folder: Path) -> dict[str, Any]:
    answers, truth = files(folder)
    options = (f"--answers={answers}", f"--truth={truth}", "--exit", "--port=8720")
    ended = apart.run(url, folder, "replay", *options)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_a_replay_gives_every_answer_once_and_pays_it_once(url: str, folder: Path):
    summary = replay(url, folder)
    assert (summary["answers"], summary["accepted"], summary["accepted_unpaid"]) == (8, 8, 0)
    assert (summary["tasks"], summary["with_truth"], summary["workers"], summary["repeated"]) == (4, 3, 3, 1)
    assert summary["majority_accuracy"] == pytest.approx(2 / 3, abs=1e-3)
    assert summary["audit"] == "ok"
    assert summary["ledger_sum_micros"] == 0
    assert (summary["paid_micros"], summary["fee_micros"]) == (80_000, 8_000)


def test_the_same_replay_again_gives_nothing_twice(url: str, folder: Path):
    first, second = replay(url, folder), replay(url, folder)
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_of_several_answers_of_a_worker_to_a_task_the_first_counts(tmp_path: Path):
    record = recorded.read(*files(tmp_path))
    assert record.answers["1"] == {"a": "cat", "b": "dog", "c": "cat"}
    assert (record.repeated, record.redundancy, record.count) == (1, 3, 8)
    assert record.labels == ["cat", "dog", "owl"]


def test_columns_may_stand_in_any_order_among_others(tmp_path: Path):
    record = recorded.read(*files(tmp_path, "label,at,task,worker\ncat,9,a,1\n\ndog,9,a,2\n", "﻿label,task\ncat,a\n"))
    assert record.answers == {"1": {"a": "cat"}, "2": {"a": "dog"}}
    assert record.truth == {"a": "cat"}


@pytest.mark.parametrize(
    ("answers", "truth", "says"),
    [
        ("task,label\na,cat\n", TRUTH, "answers.csv: the column 'worker' is missing"),
        (ANSWERS + "e,1,\n", TRUTH, "answers.csv, line 11: the label is empty"),
        (ANSWERS + "e\n", TRUTH, "answers.csv, line 11: the worker is empty"),
        (ANSWERS, TRUTH + ",cat\n", "truth.csv, line 5: the task is empty"),
        (ANSWERS, TRUTH + "a,dog\n", "truth.csv, line 5: task a has another truth above"),
        ("task,worker,label\n", TRUTH, "there is no answer in it"),
        ("task,worker,label\na,1,cat\n", TRUTH, "all answers are 'cat'"),
        ("", TRUTH, "answers.csv: the column 'task' is missing"),
        (f"task,worker,label\n{'a' * 201},1,cat\n", TRUTH, "line 2: a task has 200 characters at most"),
    ],
)
def test_what_cannot_be_replayed_is_said_with_file_and_line(tmp_path: Path, answers: str, truth: str, says: str):
    with pytest.raises(Unreadable, match=says):
        recorded.read(*files(tmp_path, answers, truth))


def test_a_missing_file_ends_the_command_with_one_sentence(url: str, tmp_path: Path):
    _, truth = files(tmp_path)
    ended = apart.run(url, tmp_path, "replay", f"--answers={tmp_path}/none.csv", f"--truth={truth}", "--exit")
    assert ended.returncode == 1
    assert "none.csv cannot be read: No such file or directory" in ended.stderr
    assert "Traceback" not in ended.stderr
