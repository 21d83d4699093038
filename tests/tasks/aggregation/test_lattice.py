import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation.lattice import aligned, medoid

ANSWER = st.lists(st.integers(1, 5), max_size=8)


def columns(answers, backbone):
    """One task's lattice as a table, 0 = none."""
    laid = aligned(answers, np.zeros(len(answers), np.int64), [backbone])
    words = np.array([word for answer in answers for word in answer] + [0])
    table = np.zeros((len(answers), len(laid.task)), np.int64)
    table[laid.answer, laid.slot] = words[laid.place]
    return table


def test_words_between_two_of_the_backbone_share_slots_in_the_order_they_come():
    table = columns([[1, 2, 3], [1, 8, 9, 2, 3], [1, 7, 2, 3], [4, 1, 2, 5]], [1, 2, 3])
    assert table.tolist() == [
        [0, 1, 0, 0, 2, 3],
        [0, 1, 8, 9, 2, 3],
        [0, 1, 7, 0, 2, 3],
        [4, 1, 0, 0, 2, 5],
    ]


def test_without_a_backbone_all_words_are_between():
    assert columns([[], [5, 6], [7]], []).tolist() == [[0, 0], [5, 6], [7, 0]]


@given(st.lists(ANSWER, min_size=1, max_size=5), ANSWER)
def test_every_answer_is_there_whole_and_every_slot_is_somebodys(answers, backbone):
    table = columns(answers, backbone)
    assert [row[row > 0].tolist() for row in table] == answers
    assert (table > 0).any(axis=0).sum() >= table.shape[1] - len(backbone)


@given(st.lists(st.tuples(st.integers(0, 3), ANSWER), max_size=8), st.lists(ANSWER, min_size=4, max_size=4))
def test_tasks_are_laid_out_as_each_would_be_alone(rows, backbones):
    rows = sorted(rows, key=lambda row: row[0])
    answers = [answer for _, answer in rows]
    laid = aligned(answers, np.array([task for task, _ in rows], np.int64), backbones)
    words = np.array([word for answer in answers for word in answer] + [0])
    for task, backbone in enumerate(backbones):
        own = [n for n, row in enumerate(rows) if row[0] == task]
        alone = columns([answers[n] for n in own], backbone)
        for n, row in zip(own, alone, strict=True):
            assert words[laid.place[laid.answer == n]].tolist() == row.tolist()
        assert (laid.task == task).sum() == (alone.shape[1] if own else len(backbone))


def test_the_medoid_is_in_the_middle_and_the_first_of_two():
    assert medoid([[9, 9, 9], [1, 2, 4], [1, 2, 3], [1, 5, 3]]) == 2
    assert medoid([[1], [2]]) == 0
    assert medoid([[], [], [1]]) == 0
