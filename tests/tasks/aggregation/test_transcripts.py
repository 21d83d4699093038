import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tasks.aggregation import transcripts

LEXICON = [a + b + c for a in "bdkm" for b in "aeiou" for c in "lnrst"]


def heard(rng, words, accuracy):
    """What a worker writes who gets each word right with this probability, else another, none or one too many."""
    written = []
    for word in words:
        if rng.random() < accuracy:
            written.append(word)
            continue
        what = rng.integers(3)
        written += [[str(rng.choice(LEXICON))], [], [word, str(rng.choice(LEXICON))]][what]
    return " ".join(written)


def crowd(rng, *, tasks=150, workers=20, answers_a_task=5, accuracy=(0.6, 0.95)):
    truth = [[str(word) for word in rng.choice(LEXICON, rng.integers(4, 15))] for _ in range(tasks)]
    skill = rng.uniform(*accuracy, workers)
    task = np.repeat(np.arange(tasks), answers_a_task)
    worker = np.concatenate([rng.choice(workers, answers_a_task, replace=False) for _ in range(tasks)])
    texts = [heard(rng, truth[t], skill[w]) for t, w in zip(task, worker, strict=True)]
    return (task, worker, texts, tasks, workers), truth, skill


def mishearing(rng, accuracy, word):
    """A word as a worker hears it: right with this probability, else mostly the one it sounds like."""
    if rng.random() < accuracy:
        return word
    return word[::-1] if rng.random() < 0.8 else str(rng.choice(LEXICON))


def word_error(words, truth):
    wrong = sum(Levenshtein.distance(list(a), b) for a, b in zip(words, truth, strict=True))
    return wrong / sum(map(len, truth))


def of_one(*texts):
    """The fit of one task with an answer of each of these workers."""
    size = len(texts)
    return transcripts.fit(np.zeros(size, int), np.arange(size), list(texts), 1, size)


def test_slots_are_voted_on_and_the_usual_spelling_is_kept():
    fit = of_one("The cat sat, on the mat.", "the cat sat on a mat", "The bat sat on the mat.")
    assert fit.texts == ["The cat sat on the mat."]
    assert fit.words == [("the", "cat", "sat", "on", "the", "mat")]


def test_a_word_one_missed_stays_and_a_word_one_made_up_goes():
    assert of_one("one two three", "one three", "one two three").texts == ["one two three"]
    assert of_one("one three", "one two three", "one three").texts == ["one three"]


def test_a_text_nobody_wrote_can_be_the_best():
    fit = of_one("a good dog barks loud", "the good cat barks loud", "the good dog parks loud")
    assert fit.texts == ["the good dog barks loud"]


def test_voting_beats_the_middle_answer_and_weights_beat_voting():
    rng = np.random.default_rng(1)
    answers, truth, skill = crowd(rng, accuracy=(0.4, 0.97))
    fit = transcripts.fit(*answers)
    each = [word_error([text.split() for text in answers[2][n::5]], truth) for n in range(5)]
    ours = word_error(fit.words, truth)
    assert ours < min(each) / 3
    alone = [of_one(*answers[2][5 * t : 5 * t + 5]).words[0] for t in range(150)]
    assert ours < word_error(alone, truth)
    assert np.corrcoef(fit.quality, skill)[0, 1] > 0.95


def test_one_who_hears_is_not_outvoted_by_those_who_mishear_alike():
    rng = np.random.default_rng(6)
    (task, worker, _, *sizes), truth, _ = crowd(rng, tasks=200)
    skill = np.where(np.arange(20) < 6, 0.97, 0.55)
    texts = [" ".join(mishearing(rng, skill[w], word) for word in truth[t]) for t, w in zip(task, worker, strict=True)]
    fit = transcripts.fit(task, worker, texts, *sizes)
    alone = [of_one(*texts[5 * t : 5 * t + 5]).words[0] for t in range(200)]
    assert word_error(fit.words, truth) < 0.6 * word_error(alone, truth)


def test_spam_of_most_workers_does_not_win():
    rng = np.random.default_rng(2)
    (task, worker, texts, *sizes), truth, _ = crowd(rng, workers=12, answers_a_task=7, accuracy=(0.85, 0.95))
    spam = worker < 7
    texts = [" ".join(rng.choice(LEXICON, 8)) if is_spam else text for text, is_spam in zip(texts, spam, strict=True)]
    fit = transcripts.fit(task, worker, texts, *sizes)
    assert fit.quality[:7].max() < 0.35 < 0.7 < fit.quality[7:].min()
    alone = [of_one(*texts[7 * t : 7 * t + 7]).words[0] for t in range(150)]
    assert word_error(fit.words, truth) < 0.06 < 0.09 < word_error(alone, truth)


def test_the_sure_words_are_right_and_the_unsure_are_not():
    rng = np.random.default_rng(3)
    answers, truth, _ = crowd(rng, tasks=300, accuracy=(0.4, 0.9))
    fit = transcripts.fit(*answers)
    right = []
    for words, true in zip(fit.words, truth, strict=True):
        is_right = np.zeros(len(words), bool)
        for block in Levenshtein.opcodes(list(words), true):
            is_right[block.src_start : block.src_end] = block.tag == "equal"
        right.append(is_right)
    right, sure = np.concatenate(right), np.concatenate(fit.word_confidence)
    assert right[sure > 0.9].mean() > 0.95
    assert right[sure < 0.5].mean() < 0.7
    by_task = [1 - Levenshtein.normalized_distance(list(a), b) for a, b in zip(fit.words, truth, strict=True)]
    assert np.corrcoef(fit.confidence, by_task)[0, 1] > 0.5


def test_one_answer_is_the_text_and_nothing_is_known_of_it():
    fit = transcripts.fit([1], [0], [" - Only  this."], 3, 2)
    assert fit.texts == [None, " - Only  this.", None]
    assert np.isnan(fit.confidence).all()
    assert np.isnan(fit.word_confidence[1]).all()
    assert len(fit.word_confidence[1]) == 2
    assert fit.compared.tolist() == [0, 0]
    assert fit.quality.tolist() == [transcripts.POOLED_ACCURACY] * 2


def test_one_worker_alone_learns_nothing_of_herself():
    fit = transcripts.fit(np.arange(5), np.zeros(5, int), ["a b", "c", "", "a b", "d"], 5, 1)
    assert fit.texts == ["a b", "c", "", "a b", "d"]
    assert np.isnan(fit.confidence).all()
    assert fit.compared[0] == 0


def test_a_worker_who_answers_twice_counts_once_with_her_longest_text():
    fit = transcripts.fit([0, 0], [0, 0], ["a b", "a b c"], 1, 1)
    assert fit.texts == ["a b c"]
    assert np.isnan(fit.confidence[0])
    rest = of_one("a b c", "a x c", "a y c")
    again = transcripts.fit([0] * 5, [0, 1, 1, 2, 2], ["a b c", "a x c", "a", "", "a y c"], 1, 3)
    assert again.texts == rest.texts
    assert again.confidence.tolist() == rest.confidence.tolist()


def test_empty_texts_are_votes_for_silence():
    assert of_one("", "  ", "").texts == [""]
    assert 0.5 < of_one("", "").confidence[0] < of_one("", "", "", "").confidence[0] < 1
    assert of_one("", "", "", "hm").texts == [""]
    assert of_one("hello there", "hello there", "").texts == ["hello there"]


def test_all_agree_and_still_nobody_is_certain():
    fit = transcripts.fit(*np.divmod(np.arange(400), 20), ["the same words"] * 400, 20, 20)
    assert set(fit.texts) == {"the same words"}
    assert 0.97 < fit.confidence.min() <= fit.confidence.max() < 1


def test_nobody_agrees_with_anybody():
    fit = of_one("a b", "c d", "e f", "g h")
    assert len(fit.words[0]) == 2
    assert fit.confidence[0] < 0.4


def test_no_answers_at_all():
    fit = transcripts.fit([], [], [], 0, 0)
    assert (fit.texts, fit.words, fit.word_confidence) == ([], [], [])
    fit = transcripts.fit([], [], [], 2, 1)
    assert fit.texts == [None, None]
    assert np.isnan(fit.confidence).all()


@pytest.mark.parametrize(
    ("task", "worker", "text"), [([0], [0], ["a", "b"]), ([1], [0], ["a"]), ([0], [2], ["a"]), ([0.5], [0], ["a"])]
)
def test_answers_that_do_not_fit_are_refused(task, worker, text):
    with pytest.raises(ValueError, match=r"out of range|one length"):
        transcripts.fit(task, worker, text, 1, 2)


def test_other_orders_and_names_change_nothing():
    rng = np.random.default_rng(4)
    (task, worker, texts, tasks, workers), _, _ = crowd(rng, accuracy=(0.3, 0.9))
    plain = transcripts.fit(task, worker, texts, tasks, workers)
    mixed, t, w = (rng.permutation(size) for size in (len(task), tasks, workers))
    other = transcripts.fit(t[task][mixed], w[worker][mixed], [texts[n] for n in mixed], tasks, workers)
    assert [other.texts[n] for n in t] == plain.texts
    np.testing.assert_allclose(other.confidence[t], plain.confidence, atol=1e-9)
    np.testing.assert_allclose(other.quality[w], plain.quality, atol=1e-9)
    assert other.compared[w].tolist() == plain.compared.tolist()


def test_tasks_and_workers_without_answers_change_nothing():
    (task, worker, texts, tasks, workers), _, _ = crowd(np.random.default_rng(5), tasks=30)
    plain = transcripts.fit(task, worker, texts, tasks, workers)
    padded = transcripts.fit(task, worker, texts, tasks + 2, workers + 3)
    assert padded.texts == [*plain.texts, None, None]
    assert padded.confidence[:tasks].tolist() == plain.confidence.tolist()
    assert (padded.quality[workers:] > 0.5).all()


TEXT = st.lists(st.sampled_from(["a", "b", "C", "c.", "d-e", "-", ""]), max_size=5).map(" ".join)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), TEXT), max_size=12), st.randoms())
def test_whatever_comes_the_result_is_whole_and_the_order_never_shows(rows, random):
    task, worker, texts = ([row[n] for row in rows] for n in range(3))
    fit = transcripts.fit(task, worker, texts, 4, 4)
    mixed = random.sample(rows, len(rows))
    other = transcripts.fit(*([row[n] for row in mixed] for n in range(3)), 4, 4)
    assert fit.texts == other.texts
    np.testing.assert_array_equal(fit.confidence, other.confidence)
    for t in range(4):
        given_by = {row[1] for row in rows if row[0] == t}
        assert (fit.texts[t] is None) == (not given_by)
        assert np.isnan(fit.confidence[t]) == (len(given_by) < 2)
        assert len(fit.words[t]) == len(fit.word_confidence[t])
        if len(given_by) > 1:
            assert ((fit.word_confidence[t] > 0) & (fit.word_confidence[t] < 1)).all()
    assert ((fit.quality > 0) & (fit.quality < 1)).all()
