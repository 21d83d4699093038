"""Answers that were recorded once, read from CSV files: `task,worker,label` and `task,label`."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TASK_LONGEST, LABEL_LONGEST = 200, 100


class Unreadable(Exception):
    """A file that cannot be replayed: which, in which line, and why."""


@dataclass(frozen=True)
class Record:
    """Who answered what, and what is right where that is known.

    answers   worker -> {task: label}, everything in the order of the file
    truth     task -> label
    repeated  lines left out because the worker had answered the task before
    digest    names this record among all others
    """

    answers: dict[str, dict[str, str]]
    truth: dict[str, str]
    repeated: int
    digest: str

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(task for given in self.answers.values() for task in given))

    @property
    def labels(self) -> list[str]:
        return sorted({label for given in self.answers.values() for label in given.values()})

    @property
    def count(self) -> int:
        return sum(map(len, self.answers.values()))

    @property
    def redundancy(self) -> int:
        """The largest number of answers a task has."""
        return max(Counter(task for given in self.answers.values() for task in given).values())


def read(answers: Path, truth: Path | None) -> Record:
    """Both files, checked, or the first alone. Of several answers of a worker to a task the first counts."""
    given: dict[str, dict[str, str]] = defaultdict(dict)
    repeated = 0
    for line, (task, worker, label) in _rows(answers, ("task", "worker", "label")):
        _check(answers, line, task, label)
        repeated += task in given[worker]
        given[worker].setdefault(task, label)
    known: dict[str, str] = {}
    if truth:
        for line, (task, label) in _rows(truth, ("task", "label")):
            _check(truth, line, task, label)
            if known.setdefault(task, label) != label:
                raise Unreadable(f"{truth}, line {line}: task {task} has another truth above")
    if not given:
        raise Unreadable(f"{answers}: there is no answer in it")
    files = answers.read_bytes() + b"\0" + (truth.read_bytes() if truth else b"")
    digest = hashlib.sha256(files).hexdigest()[:8]
    record = Record(dict(given), known, repeated, digest)
    if len(record.labels) < 2:
        raise Unreadable(f"{answers}: all answers are {record.labels[0]!r}, so there is nothing to choose from")
    return record


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """The wanted cells of every line that is not blank, with its number."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            if missing := [name for name in columns if name not in header]:
                raise Unreadable(f"{path}: the column {missing[0]!r} is missing; the first line says {header}")
            places = [header.index(name) for name in columns]
            for row in rows:
                if row:
                    cells = [row[place].strip() if place < len(row) else "" for place in places]
                    _refuse_empty(path, rows.line_num, columns, cells)
                    yield rows.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _refuse_empty(path: Path, line: int, columns: tuple[str, ...], cells: list[str]) -> None:
    for name, cell in zip(columns, cells, strict=True):
        if not cell:
            raise Unreadable(f"{path}, line {line}: the {name} is empty")


def _check(path: Path, line: int, task: str, label: str) -> None:
    if len(task) > TASK_LONGEST or len(label) > LABEL_LONGEST:
        raise Unreadable(f"{path}, line {line}: a task has {TASK_LONGEST} characters at most, a label {LABEL_LONGEST}")
