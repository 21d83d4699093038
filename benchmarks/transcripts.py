"""How many words of transcripts are wrong, and what does that cost?

    python benchmarks/transcripts.py FOLDER ...

A folder holds answers.csv (task, worker, text) and truth.csv (task, text). One line each for all tasks, and where there
are more, for the 500 whose names come first as text: words wrong over words, of all tasks together and as the mean of
the tasks, for an answer at random, the medoid, ours, and the best answer of each task; compared as `normal` in
marketplace/labels/text.py leaves them. Then whether confidence can be believed, and our CPU time.
"""

import csv
import sys
import time
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tasks.aggregation import transcripts
from tasks.aggregation.lattice import medoid
from tasks.aggregation.votes import Floats
from tasks.aggregation.words import split

FEW = 500
BINS = 10


def table(path: Path) -> list[list[str]]:
    """The rows of a file, without its heading."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def errors(answers: dict[str, list[list[str]]], ours: dict[str, list[str]], truth: dict[str, list[str]]) -> Floats:
    """Words wrong in each task, float[T, 5]: at random, medoid, ours, best; and how many words the truth has."""
    rows = []
    for task, true in truth.items():
        given = sorted(answers[task])
        wrong = [Levenshtein.distance(words, true) for words in given]
        middle = wrong[medoid(given)]
        rows.append(
            [sum(wrong) / len(wrong), middle, Levenshtein.distance(ours[task], true), min(wrong), max(len(true), 1)]
        )
    return np.array(rows, np.float64)


def calibration(fit: transcripts.Fit, truth: dict[int, list[str]]) -> tuple[float, float]:
    """Mean distance between word confidence and the share of words that are right, by tenths, and that share."""
    sure, right = [], []
    for task, true in truth.items():
        is_right = np.zeros(len(fit.words[task]), bool)
        for block in Levenshtein.opcodes(fit.words[task], true):
            is_right[block.src_start : block.src_end] = block.tag == "equal"
        sure.append(fit.word_confidence[task])
        right.append(is_right)
    confidence, correct = np.concatenate(sure), np.concatenate(right).astype(np.float64)
    known = ~np.isnan(confidence)
    confidence, correct = confidence[known], correct[known]
    tenth = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    distance = np.abs(np.bincount(tenth, confidence - correct, BINS)).sum() / max(len(correct), 1)
    return float(distance), float(correct.mean())


def report(folder: Path) -> None:
    """Print what one folder says."""
    rows, truths = table(folder / "answers.csv"), dict(table(folder / "truth.csv"))
    tasks = {name: code for code, name in enumerate(sorted({row[0] for row in rows}))}
    workers = {name: code for code, name in enumerate(sorted({row[1] for row in rows}))}
    task, worker = (
        np.array(column, np.int64) for column in zip(*((tasks[t], workers[w]) for t, w, _ in rows), strict=True)
    )
    start = time.process_time()
    fit = transcripts.fit(task, worker, [text for _, _, text in rows], len(tasks), len(workers))
    cpu_s = time.process_time() - start
    truth = {name: list(split(truths[name]).forms) for name in tasks if name in truths}
    answers: dict[str, list[list[str]]] = {}
    for name, _, text in rows:
        answers.setdefault(name, []).append(list(split(text).forms))
    wrong = errors(answers, {name: list(fit.words[tasks[name]]) for name in truth}, truth)
    for size in sorted({len(wrong), min(FEW, len(wrong))}, reverse=True):
        part = wrong[:size]
        for how, figures in (
            ("together", part[:, :4].sum(axis=0) / part[:, 4].sum()),
            ("mean", (part[:, :4] / part[:, 4:]).mean(axis=0)),
        ):
            print(f"{folder.name:24} {size:6,} {how:8}", *(f"{figure:8.4f}" for figure in figures), flush=True)
    distance, share = calibration(fit, {tasks[name]: words for name, words in truth.items()})
    right = 1 - wrong[:, 2] / wrong[:, 4]
    order = [tasks[name] for name in truth]
    print(
        f"  words right {share:.4f}, calibration error {distance:.4f}, "
        f"rank correlation of confidence and words right {correlation(fit.confidence[order], right):.3f}, "
        f"{cpu_s:.2f} CPU s for {len(rows):,} answers"
    )


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's, over what is known."""
    known = ~np.isnan(one)
    return float(spearmanr(one[known], other[known]).statistic)


def main(folders: list[str]) -> None:
    """Print the table."""
    print(f"{'crowd':24} {'tasks':>6} {'':8} {'random':>8} {'medoid':>8} {'ours':>8} {'best':>8}")
    for folder in folders:
        report(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
