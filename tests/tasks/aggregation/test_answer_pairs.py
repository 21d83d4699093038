"""Pairs of answers in blocks: each once, and an owner's together."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import answer_pairs

ANSWERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=40).map(sorted)


@given(ANSWERS, st.integers(1, 30))
def test_each_pair_comes_once_and_blocks_keep_to_their_size(answers, at_once):
    task, owner = np.array(answers, np.int64).reshape(-1, 2).T
    found = list(answer_pairs.blocks(task, owner, at_once))
    pairs = [(a, b) for ours, theirs in found for a, b in zip(ours.tolist(), theirs.tolist(), strict=True)]
    assert sorted(pairs) == [(a, b) for a, b in combinations(range(len(task)), 2) if task[a] == task[b]]
    owners = [set(owner[ours].tolist()) for ours, _ in found]
    assert sum(len(some) for some in owners) == len(set().union(*owners))
    assert all(len(ours) <= at_once or len(some) == 1 for (ours, _), some in zip(found, owners, strict=True))
