"""Each kind of signal: rows -> arrays -> figures -> words and the rows behind them."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from tasks.signals.rows import Question, Seen, questions, seconds
from workers.signals import copies, haste, notable, pairs, patterns

ROWS_SHOWN = 10
SEQUENCE_SHOWN = 40
TEXT_SHOWN = 200
SEED = 1  # the same answers give the same figures


@dataclasses.dataclass(frozen=True)
class Found:
    """A signal before its workers and answers have names; rows are places of answers and what to see there.

    p  None: chance has no part in it
    """

    kind: str
    workers: list[int]
    field: str
    figure: float
    expected: float | None
    p: float | None
    words: str
    rows: list[tuple[list[int], str]] = dataclasses.field(default_factory=list)


def everything(seen: Seen) -> tuple[list[Found], int]:
    """What stands out, and how many pairs of workers were compared."""
    asked = questions(seen)
    judged = [question for question in asked if question.truth != "perspective"]  # where to differ is no mistake
    together, compared = _pairs(seen, judged)
    return [*_fast(seen), *_patterns(seen, asked), *_monotony(seen, judged), *together, *_texts(seen)], compared


def _fast(seen: Seen) -> list[Found]:
    if not seen.rows:
        return []
    first, worker, batch, took = seconds(seen)
    names, code = np.unique(worker, return_inverse=True)
    pace = haste.pace(code, np.unique(batch, return_inverse=True)[1], took)
    found = []
    for at in np.flatnonzero(notable(pace.p)):
        mine = np.flatnonzero(code == pace.worker[at])
        quickest = mine[np.argsort(took[mine], kind="stable")][:ROWS_SHOWN]
        found.append(
            Found(
                "fast",
                [int(names[pace.worker[at]])],
                "",
                float(pace.quick[at]),
                0.05,
                float(pace.p[at]),
                f"{pace.speed[at]:.1f} times as fast as the others in the middle; "
                f"{_percent(pace.quick[at])} of {pace.pages[at]} pages took less time a task than 95 % of theirs",
                [([int(first[page])], f"{took[page]:.1f} s a task") for page in quickest],
            )
        )
    return found


def _patterns(seen: Seen, asked: list[Question]) -> list[Found]:
    rng = np.random.default_rng(SEED)
    tested = []
    for question in asked:
        others = _others(question)
        for worker, mine in _by_worker(question):
            if len(mine) >= patterns.ANSWERS_LEAST:
                label = question.answered.label[mine]
                tested.append((question, worker, mine, patterns.pattern(label, others[mine], rng)))
    shown = notable(np.array([pattern.p for *_, pattern in tested]))
    return [
        Found(
            "pattern",
            [worker],
            question.name,
            pattern.told,
            None,
            pattern.p,
            f"Who knows the answer {_back(pattern.lag)} guesses {_percent(pattern.told)} of {len(mine)} answers",
            [([int(question.place[at]) for at in mine[-ROWS_SHOWN:]], _sequence(question, mine))],
        )
        for (question, worker, mine, pattern), is_shown in zip(tested, shown, strict=True)
        if is_shown
    ]


def _monotony(seen: Seen, judged: list[Question]) -> list[Found]:
    tested = []
    for question in judged:
        for worker, mine in _by_worker(question):
            if len(mine) >= patterns.ANSWERS_LEAST:
                likely = pairs.likely(question.answered, mine)
                tested.append((question, worker, mine, patterns.monotony(question.answered.label[mine], likely)))
    shown = notable(np.array([same.p for *_, same in tested]))
    return [
        Found(
            "same_answer",
            [worker],
            question.name,
            same.share,
            same.expected,
            same.p,
            f"“{question.classes[same.label]}” in {_percent(same.share)} of {len(mine)} answers; "
            f"others would give it to {_percent(same.expected)} of these tasks",
            [([int(question.place[at]) for at in mine[-ROWS_SHOWN:]], _sequence(question, mine))],
        )
        for (question, worker, mine, same), is_shown in zip(tested, shown, strict=True)
        if is_shown
    ]


def _pairs(seen: Seen, judged: list[Question]) -> tuple[list[Found], int]:
    found, compared = [], 0
    for question in judged:
        got = pairs.pairs(question.answered)
        compared += len(got.p)
        for at in np.flatnonzero(notable(got.p)):
            two = int(got.first[at]), int(got.second[at])
            found.append(
                Found(
                    "pair",
                    [int(question.workers[one]) for one in two],
                    question.name,
                    float(got.same[at]),
                    float(got.expected[at]),
                    float(got.p[at]),
                    f"The same wrong answer to {got.same[at]:.0f} of {got.common[at]} tasks that both did; "
                    f"their own mistakes, and those that others make there, explain {got.expected[at]:.1f}",
                    _mistakes(question, *two),
                )
            )
    return found, compared


def _mistakes(question: Question, first: int, second: int) -> list[tuple[list[int], str]]:
    answered = question.answered
    shown = []
    for task in pairs.shared_mistakes(answered, first, second)[-ROWS_SHOWN:]:
        here = np.flatnonzero(answered.task == task)
        both = [int(at) for at in here if answered.worker[at] in (first, second)]
        said = question.classes[answered.label[both[0]]]
        same = int((answered.label[here] == answered.label[both[0]]).sum()) - 2
        words = f"both said “{said}”, as did {same} of {len(here) - 2} others"
        shown.append(([int(question.place[at]) for at in both], words))
    return shown


def _texts(seen: Seen) -> list[Found]:
    names = {spec["name"] for schema in seen.schemas.values() for spec in schema["fields"] if spec["type"] == "text"}
    found: list[Found] = []
    for name in sorted(names):
        places = [place for place, row in enumerate(seen.rows) if isinstance((row.value or {}).get(name), str)]
        worker, task = ([getattr(seen.rows[place], column) for place in places] for column in ("worker", "task"))
        texts = [seen.rows[place].value[name] for place in places]
        found += _copied("own_text", name, copies.own(worker, task, texts), places, texts)
        found += _copied("copied_text", name, copies.between(worker, task, texts), places, texts)
    return found


COPIED = {
    "own_text": "{} of {} longer texts are nearly another one of this worker's; of the others' texts {} are",
    "copied_text": "Nearly the same text on {} of {} tasks where both wrote a longer one; other pairs on {}",
}


def _copied(
    kind: str, name: str, tested: dict[Any, copies.Copied], places: list[int], texts: list[str]
) -> Iterable[Found]:
    shown = notable(np.array([one.p for one in tested.values()]))
    for (key, one), is_shown in zip(tested.items(), shown, strict=True):
        if is_shown:
            yield Found(
                kind,
                list(key) if isinstance(key, tuple) else [key],
                name,
                one.copied / one.compared,
                one.expected,
                one.p,
                COPIED[kind].format(one.copied, one.compared, _percent(one.expected)),
                [([places[a], places[b]], texts[a][:TEXT_SHOWN]) for a, b in one.rows[:ROWS_SHOWN]],
            )


def _others(question: Question) -> np.ndarray:
    """What most others say of the task of each answer; of gold, what is known."""
    answered = question.answered
    counts = np.zeros(answered.scores.shape)
    np.add.at(counts, (answered.task, answered.label), 1.0)
    mine = counts[answered.task]
    mine[np.arange(len(mine)), answered.label] -= 1.0
    said = mine.argmax(axis=1)
    known = answered.known[answered.task]
    said[known] = answered.scores[answered.task[known]].argmax(axis=1)
    return said


def _by_worker(question: Question) -> Iterable[tuple[int, np.ndarray]]:
    """Each worker's key, and their answers in the order they were given."""
    worker = question.answered.worker
    order = np.argsort(worker, kind="stable")
    ends = np.searchsorted(worker[order], np.arange(len(question.workers) + 1))
    for code, key in enumerate(question.workers.tolist()):
        yield key, order[ends[code] : ends[code + 1]]


def _sequence(question: Question, mine: np.ndarray) -> str:
    shown = [question.classes[code] for code in question.answered.label[mine[-SEQUENCE_SHOWN:]]]
    return " ".join(shown)


def _back(lag: int) -> str:
    return "before" if lag == 1 else f"{lag} before"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"
