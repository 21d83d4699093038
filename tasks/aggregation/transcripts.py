"""Texts of several workers as one: laid side by side word by word, every slot voted on, good workers counting more.

ROVER (Fiscus 1997, "A post-processing system to yield reduced word error rates") with the answers laid along one
backbone instead of after each other, so their order never shows; the backbone is the answer most like the others, then
the text voted on it. How much a worker counts is learned from how often the others, so weighed, say the same.
Confidence supposes one right text, as speech has: of translations, which can differ and be right, it promises too much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.aggregation import lattice
from tasks.aggregation.lattice import Codes, Lattice
from tasks.aggregation.votes import Floats, Ints, ordered
from tasks.aggregation.words import Words, joined, split

VERSION = 1
LAYINGS = 3  # first along the answer in the middle, then along the text voted on, by the weights found
REFINEMENTS = 2  # of the weights each time; more change no text worth speaking of
STRENGTH = 20.0  # words the accuracy of all workers is worth in each worker's; 5 to 50 are as good
ANSWER_STRENGTH = 100.0  # words a worker's accuracy is worth in one answer's: there, hard audio looks like bad work
POOLED_ACCURACY, POOLED_STRENGTH = 0.8, 20.0  # of all workers together before any answer, and its worth in words
EMPTY = 0.7  # weight of "no word here": words are missed more often than made up
LEAST = 0.4  # log-odds of those who are right less often than not: they decide only among themselves
APART, ALIKE = 0.05, 0.15  # share of pairs of mistakes that are the same: of those who err apart, who mishear alike
USUAL = 0.2  # that share on public crowds of transcripts
ALIKE_STRENGTH = 50.0  # pairs of mistakes the usual share is worth
LEAD = 2.0  # log-odds everyone has more where mistakes fall apart: many in a few words then say much
TRUST = 2.0  # power of the weight behind a word in its confidence: 2 to 1 is believed like 4 to 1, as it turns out
DOUBT = 0.35  # usual answers behind something nobody wrote
BLIND = 0.01  # how often all of them are wrong in one way: no confidence is ever 1
GRAIN = 9  # decimals in which weights are compared, so that the order of a sum decides nothing


@dataclass(frozen=True, slots=True)
class Fit:
    """What the answers say.

    texts            one a task, in the spelling most weight is behind; None = no answer, "" = they heard nothing
    words            the words of each text as they are compared
    word_confidence  float[words] of each text: how sure the word is, by the weight behind it and behind others
    confidence       float[T]  mean over all slots, also those left empty: about the share of words that are right
    quality          float[W]  how often a worker is right by what the others say, shrunk to the mean of all
    compared         int[W]    slots that figure rests on; 0 = nothing is known of this worker
    Both confidences are nan where fewer than two workers answered.
    """

    texts: list[str | None]
    words: list[tuple[str, ...]]
    word_confidence: list[Floats]
    confidence: Floats
    quality: Floats
    compared: Ints
    method: str
    version: int = VERSION


def fit(task: Ints, worker: Ints, text: Sequence[str], n_tasks: int, n_workers: int) -> Fit:
    """One text for each task.

    task, worker  int[N]  codes from 0, in any order; of several texts of a worker to a task the longest counts
    text          N texts, empty ones too
    raises        ValueError  codes out of range or arrays that do not fit together
    """
    answers = _Answers.of(task, worker, text, n_tasks, n_workers)
    backbones = [group[lattice.medoid(group)] if group else [] for group in answers.by_task()]
    weight = np.ones(len(answers.task))
    for _ in range(LAYINGS):
        laid = lattice.aligned(answers.codes, answers.task, backbones)
        forms = _Ballot.of(laid.slot, np.append(answers.word, 0)[laid.place])
        alike = _alike(forms)
        for _ in range(REFINEMENTS):
            weight, quality, compared = _weights(answers, laid, forms, weight, alike)
        backbones = _texts(laid, forms, _best(laid, forms, weight), n_tasks)
    return _fit(answers, laid, forms, weight, quality, compared)


@dataclass(frozen=True, slots=True)
class _Answers:
    """One text of each worker to each task, sorted by task and text.

    text       list[A]     as it was given
    word       int[words]  code of every word's form, from 1 up in the order of the alphabet; they follow each other
    spelling   int[words]  the same of its spelling, from 0
    telling    bool[A]     another worker answered the task too
    """

    task: Ints
    worker: Ints
    text: list[str]
    codes: list[Codes]
    word: Ints
    spelling: Ints
    forms: list[str]
    spellings: list[str]
    telling: np.ndarray
    n_tasks: int
    n_workers: int

    @classmethod
    def of(cls, task: Ints, worker: Ints, text: Sequence[str], n_tasks: int, n_workers: int) -> "_Answers":
        size = len(text)
        ordered(task, worker, np.zeros(size, np.int64), n_tasks, n_workers, 2)  # refuses what does not fit
        tasks, workers, read = np.asarray(task).tolist(), np.asarray(worker).tolist(), [split(one) for one in text]
        best: dict[tuple[int, int], int] = {}
        for n in sorted(range(size), key=lambda n: (len(read[n].forms), read[n], text[n])):
            best[tasks[n], workers[n]] = n
        kept = sorted(best.values(), key=lambda n: (tasks[n], read[n], text[n], workers[n]))
        forms = ["", *sorted({form for n in kept for form in read[n].forms})]
        spellings = sorted({spelling for n in kept for spelling in read[n].spellings})
        form_code = {form: code for code, form in enumerate(forms)}
        spelling_code = {spelling: code for code, spelling in enumerate(spellings)}
        of_task = np.array([tasks[n] for n in kept], np.int64)
        codes = [[form_code[form] for form in read[n].forms] for n in kept]
        return cls(
            of_task,
            np.array([workers[n] for n in kept], np.int64),
            [text[n] for n in kept],
            codes,
            np.array([code for answer in codes for code in answer], np.int64),
            np.array([spelling_code[spelling] for n in kept for spelling in read[n].spellings], np.int64),
            forms,
            spellings,
            np.bincount(of_task, minlength=n_tasks)[of_task] > 1,
            n_tasks,
            n_workers,
        )

    def by_task(self) -> list[list[Codes]]:
        groups: list[list[Codes]] = [[] for _ in range(self.n_tasks)]
        for task, codes in zip(self.task.tolist(), self.codes, strict=True):
            groups[task].append(codes)
        return groups


@dataclass(frozen=True, slots=True)
class _Ballot:
    """Entries that name the same thing in the same slot, as one cell.

    cell    int[E]  the cell of each entry
    slot    int[C]  the slot of each cell, ascending
    choice  int[C]  what it names
    """

    cell: Ints
    slot: Ints
    choice: Ints

    @classmethod
    def of(cls, slot: Ints, choice: Ints) -> "_Ballot":
        base = int(np.max(choice, initial=0)) + 1
        keys, cell = np.unique(slot * base + choice, return_inverse=True)
        return cls(cell.astype(np.int64), *np.divmod(keys, base))

    def support(self, weight: Floats) -> Floats:
        """The weight behind each cell, float[C], from that of each entry."""
        return np.asarray(np.bincount(self.cell, weight, len(self.slot)), np.float64)

    def best(self, support: Floats) -> tuple[Ints, Floats]:
        """The cell of each slot with the most support, of equal ones the first named; and what the second one has."""
        support = np.round(support, GRAIN)
        order = np.lexsort((-self.choice, support, self.slot))
        last = np.flatnonzero(np.diff(self.slot[order], append=-1))
        rival = order[np.maximum(last - 1, 0)]
        rivalled = (last > 0) & (self.slot[rival] == self.slot[order[last]])
        return order[last], np.where(rivalled, support[rival], 0.0)


def _counted(forms: _Ballot, support: Floats) -> Floats:
    """Support as it counts in the vote."""
    return np.where(forms.choice == 0, EMPTY * support, support)


def _best(laid: Lattice, forms: _Ballot, weight: Floats) -> Ints:
    """The winning cell of each slot."""
    return forms.best(_counted(forms, forms.support(weight[laid.answer])))[0]


def _texts(laid: Lattice, forms: _Ballot, best: Ints, n_tasks: int) -> list[Codes]:
    """The winning words of each task."""
    words = forms.choice[best]
    found = words > 0
    ends = np.cumsum(np.bincount(laid.task[found], minlength=n_tasks))
    return [part.tolist() for part in np.split(words[found], ends[:-1])[:n_tasks]]


def _alike(forms: _Ballot) -> float:
    """Whether workers err apart (0) or, as on words hard to hear, in the same way (1); between them in proportion.

    By how many of the pairs of words that are not what most say in their slot are the same word.
    """
    answers = np.bincount(forms.cell, minlength=len(forms.slot)).astype(np.float64)
    mistaken = np.where(forms.choice > 0, answers, 0.0)
    mistaken[forms.best(_counted(forms, answers))[0]] = 0.0
    together = (mistaken * (mistaken - 1.0)).sum() + 2.0 * ALIKE_STRENGTH * USUAL
    in_slot = np.bincount(forms.slot, mistaken)
    share = together / ((in_slot * (in_slot - 1.0)).sum() + 2.0 * ALIKE_STRENGTH)
    return float(np.clip((share - APART) / (ALIKE - APART), 0.0, 1.0))


def _weights(
    answers: _Answers, laid: Lattice, forms: _Ballot, weight: Floats, alike: float
) -> tuple[Floats, Floats, Ints]:
    """What each answer should weigh, by how often the vote of the others is what it says.

    Log-odds and a lead for all, where mistakes fall apart; where they are shared, five who mishear alike must not
    outvote one who hears: no lead, and squared.
    returns  float[A], and for each worker the accuracy and the slots it rests on
    """
    own = weight[laid.answer]
    counted = _counted(forms, forms.support(own))
    best, rival = forms.best(counted)
    own = np.where(forms.choice[forms.cell] == 0, EMPTY * own, own)
    without = np.round(counted[forms.cell] - own, GRAIN)
    agrees = (best[laid.slot] == forms.cell) & (without >= rival[laid.slot]) & (without > 0)
    telling = answers.telling[laid.answer]
    right = np.bincount(laid.answer, agrees & telling, len(weight))
    slots = np.bincount(laid.answer, telling, len(weight))
    pooled = (right.sum() + POOLED_STRENGTH * POOLED_ACCURACY) / (slots.sum() + POOLED_STRENGTH)
    compared = np.bincount(answers.worker, slots, answers.n_workers)
    quality = np.bincount(answers.worker, right, answers.n_workers) + STRENGTH * pooled
    quality /= compared + STRENGTH
    accuracy = (right + ANSWER_STRENGTH * quality[answers.worker]) / (slots + ANSWER_STRENGTH)
    log_odds = np.maximum(np.log(accuracy) - np.log1p(-accuracy) + LEAD * (1.0 - alike), LEAST)
    return log_odds ** (1.0 + alike), quality, compared.astype(np.int64)


def _fit(answers: _Answers, laid: Lattice, forms: _Ballot, weight: Floats, quality: Floats, compared: Ints) -> Fit:
    """The texts by these weights, and how sure each is."""
    n_tasks = answers.n_tasks
    best = _best(laid, forms, weight)
    told = np.bincount(answers.task, answers.telling, n_tasks) > 0
    by_slot, by_task = _confidence(answers, laid, forms, weight, best)
    by_slot[~told[laid.task]], by_task[~told] = np.nan, np.nan
    found = forms.choice[best] > 0
    ends = np.cumsum(np.bincount(laid.task[found], minlength=n_tasks))[:-1]
    spelt = _spelt(answers, laid, forms, weight, best[found])
    shares, spellings = np.split(by_slot[found], ends)[:n_tasks], np.split(spelt, ends)[:n_tasks]
    words = [tuple(answers.forms[code] for code in codes) for codes in _texts(laid, forms, best, n_tasks)]
    texts: list[str | None] = [
        joined(Words(one, tuple(answers.spellings[code] for code in codes)))
        for one, codes in zip(words, spellings, strict=True)
    ]
    for empty in np.flatnonzero(np.bincount(answers.task, minlength=n_tasks) == 0).tolist():
        texts[empty] = None
    for alone in np.flatnonzero(~answers.telling).tolist():
        texts[answers.task[alone]] = answers.text[alone]
    return Fit(texts, words, shares, by_task, quality, compared, "rover")


def _confidence(answers: _Answers, laid: Lattice, forms: _Ballot, weight: Floats, best: Ints) -> tuple[Floats, Floats]:
    """How sure each slot is, float[S], and each task, float[T]."""
    doubt = (DOUBT * weight.mean()) ** TRUST if len(weight) else 1.0
    behind = _counted(forms, forms.support(weight[laid.answer])) ** TRUST
    by_slot = (1.0 - BLIND) * behind[best] / (np.bincount(forms.slot, behind, len(best)) + doubt)
    slots = np.bincount(laid.task, minlength=answers.n_tasks)
    silent = np.bincount(answers.task, weight, answers.n_tasks) ** TRUST  # of those whose answers are all empty
    mean = np.bincount(laid.task, by_slot, answers.n_tasks) / np.maximum(slots, 1)
    return by_slot, np.where(slots > 0, mean, (1.0 - BLIND) * silent / (silent + doubt))


def _spelt(answers: _Answers, laid: Lattice, forms: _Ballot, weight: Floats, best: Ints) -> Ints:
    """The spelling of each of these cells that most weight is behind."""
    chosen = np.zeros(len(forms.slot), bool)
    chosen[best] = True
    entries = np.flatnonzero(chosen[forms.cell])
    spellings = _Ballot.of(laid.slot[entries], answers.spelling[laid.place[entries]])
    return spellings.choice[spellings.best(spellings.support(weight[laid.answer[entries]]))[0]]
