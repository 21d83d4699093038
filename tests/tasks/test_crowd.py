import numpy as np
import pytest

from tasks.aggregation import dawid_skene, votes
from tasks.demo import crowd, digits
from tasks.demo.crowd import Kind

CLASSES = 10
ITEMS = [(f"digit-{n:04d}", n % CLASSES) for n in range(1000)]


def share_right(person: crowd.Person, *, in_practice: bool = False) -> float:
    return float(np.mean([crowd.answer(person, i, k, CLASSES, in_practice=in_practice) == k for i, k in ITEMS]))


def of_kind(kind: Kind) -> list[crowd.Person]:
    return [person for person in crowd.people(1, 40) if person.kind is kind]


def test_the_same_seed_gives_the_same_crowd_and_another_seed_another():
    assert crowd.people(1, 40) == crowd.people(1, 40)
    assert crowd.people(1, 40) != crowd.people(2, 40)


@pytest.mark.parametrize("count", [10, 12, 24, 40, 100])
def test_a_crowd_has_as_many_people_as_asked_for_and_every_kind(count: int):
    people = crowd.people(3, count)
    assert len(people) == count
    assert {person.kind for person in people} == set(Kind)


def test_an_answer_depends_on_seed_worker_and_item_alone():
    people = crowd.people(1, 40)
    forwards = [crowd.answer(person, *item, CLASSES) for person in people for item in ITEMS[:20]]
    backwards = [crowd.answer(person, *item, CLASSES) for person in people[::-1] for item in ITEMS[:20][::-1]]
    assert forwards == backwards[::-1]
    assert crowd.answer(people[0], "digit-0007", 7, CLASSES) == 7  # the same on every machine and in every version


def test_honest_people_are_as_accurate_as_they_were_drawn():
    for kind in (Kind.CAREFUL, Kind.AVERAGE, Kind.HASTY):
        for person in of_kind(kind):
            assert share_right(person) == pytest.approx(person.accuracy, abs=0.04)


def test_half_of_the_spamming_pass_the_practice_and_none_is_right_afterwards():
    spamming = of_kind(Kind.SPAMMING)
    assert [share_right(person, in_practice=True) > 0.9 for person in spamming] == [p.patient for p in spamming]
    assert 0 < sum(person.patient for person in spamming) < len(spamming)
    assert all(share_right(person) < 0.15 for person in spamming)


def test_the_colluding_pass_the_practice_and_then_give_the_same_wrong_answers():
    first, second, *_ = of_kind(Kind.COLLUDING)
    assert share_right(first, in_practice=True) > 0.9
    assert share_right(first) < 0.3
    same = [crowd.answer(first, *item, CLASSES) == crowd.answer(second, *item, CLASSES) for item in ITEMS]
    assert np.mean(same) > 0.9


@pytest.mark.parametrize("seed", range(1, 11))
def test_consensus_is_clearly_better_than_majority_whatever_the_seed(seed: int):
    """Without the site: four workers drawn for each task, those that the practice stops left out."""
    rng = np.random.default_rng(seed)
    people = [p for p in crowd.people(seed, 40) if p.patient]
    drawn = np.array([rng.choice(len(people), 4, replace=False) for _ in ITEMS])
    task, worker = np.repeat(np.arange(len(ITEMS)), 4), drawn.ravel()
    label = np.array([crowd.answer(people[w], *ITEMS[t], CLASSES) for t, w in zip(task, worker, strict=True)])
    truth, shape = np.array([k for _, k in ITEMS]), (len(ITEMS), len(people), CLASSES)
    shares = votes.majority(task, worker, label, *shape)
    best = shares >= shares.max(axis=1, keepdims=True)
    by_majority = (best / best.sum(axis=1, keepdims=True))[np.arange(len(ITEMS)), truth].mean()
    by_consensus = (dawid_skene.fit(task, worker, label, *shape).posterior.argmax(axis=1) == truth).mean()
    assert by_consensus > by_majority + 0.02


def test_digits_hold_their_truth_back_but_for_the_gold():
    drawn = digits.load(seed=5, items=30)
    rows = list(drawn.rows())
    assert len(rows) == 30 + digits.GOLD
    assert [b'"truth"' in row for row in rows] == [False] * 30 + [True] * digits.GOLD
    assert len(set(drawn.images)) == len(rows)
    assert all(image.startswith("data:image/png;base64,") for image in drawn.images)
    assert len(drawn.held_back()) == 30
