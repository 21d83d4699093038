from datetime import timedelta

import pytest
from django.db.models import F

from marketplace import guidelines
from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from tasks import appeals, audit, decisions, jobs, reopening, reviews
from tasks.errors import NoReviewWaiting, OwnAnswer
from tasks.models import Answer, Batch, Consensus, Evidence, Review, Task
from tasks.reviews import sampling
from tests import make
from tests.tasks import work
from tests.tasks.reviewed import asked, decided, labelled, member, taken, tasks_of, weighed
from workers import guidelines as read
from workers.models import Reliability, Worker

pytestmark = pytest.mark.django_db
OPINION = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"], "truth": "perspective"}],
}
CATS = ("cat", "cat")


def reserved(batch):
    return work.batches.progress(batch).reserved_micros


def in_force(kind):
    return Evidence.objects.filter(kind=kind, void=None)


# asking


def test_a_label_that_waits_is_not_asked_again_and_only_closed_ones_are():
    batch = labelled(CATS, CATS)
    first, second = tasks_of(batch)
    rita = make.user("rita")
    assert reviews.ask(batch, [first], "suspected", rita) == 1
    assert reviews.ask(batch, [first, second], "unsure", rita) == 1
    assert set(Review.objects.values_list("task", "reason", "tier")) == {
        (first, "suspected", 1),
        (second, "unsure", 1),
    }
    Review.objects.all().delete()
    Task.objects.filter(pk=first).update(state="open", bought=3)
    assert reviews.ask(batch, [first, second], "suspected", rita) == 1


def test_only_members_ask_for_a_known_reason_about_tasks_of_the_batch():
    batch, other = labelled(CATS), labelled(CATS)
    for by in ("sam", "wes"):
        with pytest.raises(Forbidden):
            reviews.ask(batch, tasks_of(batch), "suspected", make.user(by))
    with pytest.raises(Invalid):
        reviews.ask(batch, tasks_of(batch), "curious", make.user("rita"))
    with pytest.raises(Invalid):
        reviews.ask(batch, list(range(1001)), "suspected", make.user("rita"))
    assert reviews.ask(batch, tasks_of(other), "suspected", make.user("rita")) == 0


def test_gold_and_matters_of_opinion_are_not_reviewed():
    batch = work.published(items=1, gold=2)
    assert reviews.ask(batch, list(batch.gold.values_list("task", flat=True)), "suspected", make.user("rita")) == 0
    opinions = labelled(("cat", "dog"), schema=OPINION, review_share=1.0, review_unsure=1.0)
    assert Review.objects.count() == 0
    assert asked(opinions) == 0


# by themselves


def test_what_ends_unsure_or_split_goes_to_review_and_what_is_sure_does_not():
    batch = labelled(CATS + CATS, CATS + CATS, CATS + CATS, (*CATS, "dog", "dog"), review_unsure=0.9)
    sure, unsure, unknown, split = tasks_of(batch)
    Review.objects.all().delete()
    for task, confidence in ((sure, 0.91), (unsure, 0.89), (unknown, None), (split, 0.99)):
        Consensus.objects.filter(task=task).update(confidence=confidence)
    assert reviews.after_settling(batch, {sure, unsure, unknown, split}) == 3
    assert dict(Review.objects.values_list("task", "reason")) == {
        unsure: "unsure",
        unknown: "unsure",
        split: "contested",
    }
    assert set(Review.objects.values_list("rate", "asked_by")) == {(None, None)}


def test_consensus_sends_a_split_label_to_review_when_it_closes():
    batch = labelled(("cat", "dog"), review_unsure=0.01)
    assert Review.objects.get(batch=batch).reason == "contested"


def test_without_terms_nothing_is_reviewed_by_itself():
    labelled(("cat", "dog"))
    assert Review.objects.count() == 0


def test_a_share_is_drawn_and_drawn_alike_again():
    batch = labelled(*[CATS] * 60, review_share=0.5)
    for worker in Worker.objects.all():
        Reliability.objects.update_or_create(
            worker=worker,
            project=batch.project,
            defaults={"correct": 30, "judged": 40, "accuracy": 0.85, "accuracy_p05": 0.75, "accuracy_p95": 0.95},
        )
    Review.objects.all().delete()
    assert reviews.after_settling(batch, set(tasks_of(batch))) == pytest.approx(30, abs=12)
    drawn = dict(Review.objects.values_list("task", "rate"))
    assert set(drawn.values()) == {0.5}
    assert set(Review.objects.values_list("reason", flat=True)) == {"sampled"}
    Review.objects.all().delete()
    reviews.after_settling(batch, set(tasks_of(batch)))
    assert dict(Review.objects.values_list("task", "rate")) == drawn
    Review.objects.all().delete()
    Reliability.objects.update(accuracy_p05=0.98)
    reviews.after_settling(batch, set(tasks_of(batch)))
    fewer = set(Review.objects.values_list("task", flat=True))
    assert fewer < set(drawn)  # the same numbers, held against a lower rate
    assert reviews.after_settling(batch, set(tasks_of(batch))) == 0


def test_all_are_drawn_where_all_are_asked_for():
    batch = labelled(*[CATS] * 5, review_share=1.0)
    assert Review.objects.filter(batch=batch, rate=1.0).count() == 5


def test_the_rate_rises_with_doubt_and_all_stays_all():
    assert sampling.rate(0.0, [None, None]) == 0.0
    assert sampling.rate(1.0, [0.99]) == 1.0
    assert sampling.rate(0.2, [0.75, 0.75]) == pytest.approx(0.2)
    assert sampling.rate(0.2, [0.99]) == pytest.approx(1 - 0.8**0.25)
    assert sampling.rate(0.2, [None]) == sampling.rate(0.2, [0.1]) == pytest.approx(1 - 0.8**2)
    assert sampling.rate(0.2, []) == sampling.rate(0.2, [None])
    rates = [sampling.rate(0.2, [low, 0.9]) for low in (0.2, 0.6, 0.7, 0.8, 0.9, 0.99)]
    assert rates == sorted(rates, reverse=True)


# deciding


def test_a_corrected_label_is_the_label_and_is_evidence_about_every_answer():
    batch = labelled(("cat", "cat", "dog"), ("cat", "cat", "cat"))
    task, other = tasks_of(batch)
    reviews.ask(batch, [task], "suspected", make.user("rita"))
    told = {e.answer_id: e.correct for e in in_force("consensus").filter(answer__task=task)}
    review = decided(batch, verdict="correct", animal="dog")
    assert (review.state, review.verdict, review.value, review.label) == (
        "final",
        "correct",
        {"animal": "dog"},
        {"animal": "cat"},
    )
    assert weighed(batch) == {task: "dog", other: "cat"}
    row = Consensus.objects.get(task=task)
    assert (row.method, row.support) == ("review", 3)
    found = {e.answer.value["animal"]: (e.correct, e.truths) for e in in_force("review")}
    assert found == {"cat": (0.0, {"animal": {"1": 1.0}}), "dog": (1.0, {"animal": {"1": 1.0}})}
    assert in_force("review").count() == 3
    assert len(told) == 3  # it was said by consensus, and is said once
    assert not in_force("consensus").filter(answer__task=task).exists()
    right, wrong = (Reliability.objects.get(worker__user=make.user(f"worker{n}")) for n in (2, 0))
    assert right.accuracy > wrong.accuracy
    weighed(batch)
    assert in_force("consensus").filter(answer__task=task).count() == 0
    assert audit.check() == []


def test_accepting_keeps_the_label_as_it_was_shown():
    batch = labelled(CATS)
    asked(batch)
    held = taken(batch)
    Consensus.objects.update(value="owl")  # changed between the look and the verdict
    review = reviews.decide(held, make.user("rita"), "accept")
    assert (review.verdict, review.value) == ("accept", {"animal": "cat"})
    assert set(weighed(batch).values()) == {"cat"}
    assert set(in_force("review").values_list("correct", flat=True)) == {1.0}


def test_writing_what_the_label_says_already_is_accepting_it():
    batch = labelled(CATS)
    asked(batch)
    assert decided(batch, verdict="correct", animal="cat").verdict == "accept"


@pytest.mark.parametrize("value", [None, {}, {"animal": "cow"}, {"plant": "oak"}, ["cat"], {"animal": None}])
def test_a_correction_fits_the_schema_or_nothing_happens(value):
    batch = labelled(CATS)
    asked(batch)
    held = taken(batch)
    with pytest.raises(Invalid):
        reviews.decide(held, make.user("rita"), "correct", value)
    with pytest.raises(Invalid):
        reviews.decide(held, make.user("rita"), "perhaps")
    assert Review.objects.get().state == "held"
    assert not in_force("review").exists()


def test_what_is_decided_is_decided_once_and_by_who_holds_it():
    batch = labelled(CATS)
    member(batch, "rosa")
    asked(batch)
    held = taken(batch)
    with pytest.raises(NoReviewWaiting):
        taken(batch, "rosa")
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rosa"), "accept")
    assert taken(batch) == held  # asked again: the same one
    reviews.decide(held, make.user("rita"), "accept")
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rita"), "correct", {"animal": "dog"})
    assert in_force("review").count() == 2


def test_what_is_held_too_long_goes_to_others_and_can_still_be_decided_until_they_take_it():
    batch = labelled(CATS)
    member(batch, "rosa")
    asked(batch)
    held = taken(batch)
    assert not reviews.expire()
    assert Review.objects.get().state == "held"
    Review.objects.update(held_until=F("held_until") - timedelta(hours=1))
    reviews.expire()
    assert Review.objects.get().state == "waiting"
    assert reviews.decide(held, make.user("rita"), "accept").state == "final"
    Review.objects.all().delete()
    asked(batch)
    held = taken(batch)
    Review.objects.update(held_until=F("held_until") - timedelta(hours=1))
    reviews.expire()
    taken(batch, "rosa")
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rita"), "accept")


def test_what_one_passes_on_comes_behind_what_waits():
    batch = labelled(CATS, CATS)
    asked(batch)
    first = taken(batch)
    reviews.pass_on(first, make.user("rita"))
    assert taken(batch) != first
    with pytest.raises(IllegalMove):
        reviews.pass_on(first, make.user("rita"))


def test_nobody_reviews_their_own_answer_nor_that_of_their_kin():
    batch = labelled(CATS)
    asked(batch)
    rosa, max_ = member(batch, "rosa"), member(batch, "max", "manager")
    author = Worker.objects.get(user=make.user("worker0"))
    Worker.objects.filter(pk=author.pk).update(kin=[rosa.pk])
    rosa_works = work.worker("rosa")
    Worker.objects.filter(pk=rosa_works.pk).update(kin=[author.user_id])
    with pytest.raises(NoReviewWaiting):
        reviews.next_for(batch.project, rosa)
    author = member(batch, "worker1", "manager")
    with pytest.raises(NoReviewWaiting):
        reviews.next_for(batch.project, author)
    held = reviews.next_for(batch.project, max_)
    Answer.objects.filter(worker__user=make.user("worker1")).update(worker=work.worker("max"))
    with pytest.raises(OwnAnswer):
        reviews.decide(held, max_, "accept")
    Review.objects.update(held_by=None, state="waiting")
    Review.objects.update(
        state="final", verdict="accept", value={"animal": "cat"}, decided_by=max_, decided_at=F("asked_at")
    )
    Review.objects.update(decided_at=F("decided_at") + timedelta(days=1))
    assert any("reviewed" in sentence for sentence in audit.check())


def test_strangers_and_workers_review_nothing():
    batch = labelled(CATS)
    asked(batch)
    for name in ("sam", "worker0"):
        with pytest.raises(Forbidden):
            taken(batch, name)
    held = taken(batch)
    batch.project.organisation.memberships.filter(user=make.user("rita")).delete()
    with pytest.raises(Forbidden):
        reviews.decide(held, make.user("rita"), "accept")


# two tiers


def test_two_who_agree_decide_a_label_and_neither_decides_alone():
    batch = labelled(CATS, review_verdicts=2)
    member(batch, "rosa")
    asked(batch)
    assert decided(batch, verdict="correct", animal="dog").state == "given"
    assert reviews.verdicts(batch) == {}
    assert set(weighed(batch).values()) == {"cat"}
    with pytest.raises(NoReviewWaiting):
        taken(batch)  # one person, one verdict
    assert decided(batch, "rosa", "correct", "dog").state == "final"
    assert set(weighed(batch).values()) == {"dog"}
    assert in_force("review").count() == 2


def test_where_two_differ_a_third_person_has_the_last_word():
    batch = labelled(CATS, review_verdicts=2)
    member(batch, "rosa")
    asked(batch)
    decided(batch, verdict="correct", animal="dog")
    assert decided(batch, "rosa").state == "given"
    assert Review.objects.unfinished().get().tier == 2
    for name in ("rita", "rosa"):
        with pytest.raises(NoReviewWaiting):
            taken(batch, name)
    member(batch, "ruth")
    with pytest.raises(NoReviewWaiting):
        taken(batch, "ruth")  # a reviewer has not the last word
    member(batch, "max", "manager")
    last = taken(batch, "max")
    assert {seen.value["animal"] for seen in reviews.case(last).verdicts} == {"cat", "dog"}
    assert reviews.decide(last, make.user("max"), "correct", {"animal": "owl"}).state == "final"
    assert set(weighed(batch).values()) == {"owl"}
    assert audit.check() == []


def test_a_verdict_is_looked_at_again_by_another_person_and_what_it_told_is_void():
    batch = labelled(CATS)
    member(batch, "max", "manager")
    asked(batch)
    decided(batch, verdict="correct", animal="dog")
    low = Reliability.objects.get(worker__user=make.user("worker0")).accuracy
    assert asked(batch) == 1
    with pytest.raises(NoReviewWaiting):
        taken(batch)
    decided(batch, "max", "correct", "cat")
    assert list(Review.objects.order_by("pk").values_list("state", "tier")) == [("void", 1), ("final", 2)]
    assert set(in_force("review").values_list("correct", flat=True)) == {1.0}
    assert Reliability.objects.get(worker__user=make.user("worker0")).accuracy > low
    assert set(weighed(batch).values()) == {"cat"}
    assert audit.check() == []


# sending back


def test_sending_back_buys_exactly_one_answer_and_reserves_it():
    batch = labelled(CATS)
    asked(batch)
    before = reserved(batch)
    assert decided(batch, verdict="send_back").state == "sent_back"
    assert reserved(batch) - before == batch.seat_most_micros
    task = Task.objects.get(batch=batch)
    assert (task.state, task.bought, task.taken) == ("open", 3, 2)
    assert audit.check() == []
    with pytest.raises(NoReviewWaiting):
        taken(batch)  # it waits for the answer
    work.work(work.worker("olga"), batch, "dog")
    work.jobs.update_consensus()
    again = taken(batch)
    assert (again.tier, len(reviews.case(again).answers)) == (1, 3)
    assert reviews.decide(again, make.user("rita"), "accept").state == "final"
    assert audit.check() == []


def test_what_cannot_be_reserved_is_not_sent_back():
    batch = labelled(CATS, micros=130_000, top_up_most_percent=0)
    asked(batch)
    held = taken(batch)
    with pytest.raises(InsufficientFunds):
        reviews.decide(held, make.user("rita"), "send_back")
    assert Review.objects.get().state == "held"
    assert Task.objects.get(batch=batch).bought == 2


def test_a_label_is_sent_back_a_few_times_at_most_and_never_in_a_closed_batch(settings):
    settings.REVIEW_SENT_BACK_MOST = 1
    batch = labelled(CATS)
    asked(batch)
    decided(batch, verdict="send_back")
    work.work(work.worker("olga"), batch, "dog")
    work.jobs.update_consensus()
    held = taken(batch)
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rita"), "send_back")
    settings.REVIEW_SENT_BACK_MOST = 2
    work.batches.close(batch, make.user("rita"))
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rita"), "send_back")
    assert reviews.decide(held, make.user("rita"), "accept").state == "final"


def test_a_batch_is_not_finished_while_labels_wait():
    batch = labelled(CATS, CATS)
    decisions.accept(list(Answer.objects.filter(batch=batch).select_related("batch")), make.user("rita"))
    asked(batch)
    work.sweep()
    assert Batch.objects.get(pk=batch.pk).state == "open"
    decided(batch)
    decided(batch)
    work.sweep()
    assert Batch.objects.get(pk=batch.pk).state == "closed"
    assert audit.check() == []


# when a verdict may be wrong


def rejected(batch, name="worker0"):
    answer = Answer.objects.select_related("task", "batch").get(batch=batch, worker__user=make.user(name))
    return decisions.reject(answer, make.user("rita"), "wrong", "It is none.", refill=False)


def test_an_upheld_appeal_voids_the_verdict_and_another_person_looks():
    batch = labelled(("cat", "dog", "dog"), review_share=1.0)
    member(batch, "max", "manager")
    decided(batch, verdict="correct", animal="dog")
    decision = rejected(batch)
    assert in_force("review").filter(answer__state="rejected").count() == 1
    appeal = appeals.contest(decision, work.worker("worker0"), "It is a cat.")
    appeals.uphold(appeal, make.user("ada", staff=True), "It is.")
    jobs.doubt_verdict(tasks_of(batch)[0])
    assert in_force("review").count() == 0
    assert reviews.verdicts(batch) == {}
    waits = Review.objects.unfinished().get()
    assert (waits.reason, waits.tier) == ("contested", 2)
    weighed(batch)
    assert audit.check() == []
    assert decided(batch, "max", "correct", "cat").state == "final"
    assert set(weighed(batch).values()) == {"cat"}
    assert Reliability.objects.get(worker__user=make.user("worker0")).accuracy > 0.75
    assert audit.check() == []


def test_an_appeal_sends_the_label_to_review_where_labels_are_reviewed():
    batch, quiet = labelled(CATS, review_unsure=0.01), labelled(CATS)
    for one in (batch, quiet):
        decision = rejected(one)
        appeals.contest(decision, work.worker("worker0"), "It is a cat.")
        jobs.contest_label(tasks_of(one)[0])
    assert list(Review.objects.values_list("batch", "reason")) == [(batch.pk, "contested")]


def test_what_is_asked_again_under_a_new_guideline_keeps_no_old_verdict():
    batch = labelled(CATS)
    rita = make.user("rita")
    asked(batch)
    decided(batch)
    weighed(batch)
    guidelines.write(batch.project, rita, "Look at the ears.")
    reopening.reopen(batch.project, rita, "animal", "cat", 0)
    assert reviews.verdicts(batch) == {}
    assert not in_force("review").exists()
    assert audit.check() == []
    for name in ("worker7", "worker8"):
        read.acknowledge(work.worker(name), batch.project, 1)
        work.work(work.worker(name), batch, "dog")
    assert set(weighed(batch).values()) == {"dog"}


def test_no_verdict_while_its_task_is_open_again():
    batch = labelled(CATS)
    asked(batch)
    held = taken(batch)
    answer = Answer.objects.select_related("task", "batch").first()
    decisions.exclude(answer, make.user("rita"), "damaged", "It was dark.")
    with pytest.raises(IllegalMove):
        reviews.decide(held, make.user("rita"), "accept")
    with pytest.raises(NoReviewWaiting):
        taken(batch)
    assert Review.objects.get().state == "waiting"
    work.work(work.worker("olga"), batch)
    work.jobs.update_consensus()
    assert taken(batch) == held


# what is shown


def test_a_case_is_blind_until_it_is_decided_and_looks_the_same_each_time():
    batch = labelled(("cat", "dog", "owl", "cat", "dog"))
    asked(batch)
    held = taken(batch)
    case = reviews.case(held)
    assert [seen.name for seen in case.answers] == list("ABCDE")
    assert reviews.case(held) == case
    assert case.sureness == []
    final = reviews.decide(held, make.user("rita"), "correct", {"animal": "owl"})
    weighed(batch)
    told = reviews.case(final)
    assert told.answers == case.answers
    assert told.sureness[0].value == "owl"


def test_the_order_of_answers_tells_nothing_of_when_they_came():
    batch = labelled(*[("cat", "dog", "owl")] * 12)
    asked(batch)
    rows = Review.objects.select_related("batch", "task__item", "project")
    assert len({tuple(seen.value["animal"] for seen in reviews.case(row).answers) for row in rows}) > 2


def test_figures_say_how_often_reviewers_corrected_and_how_sure_that_is():
    batch = labelled(*[CATS] * 4)
    asked(batch)
    assert [row.reason for row in reviews.of(batch.project)] == ["suspected", ""]
    assert reviews.of(batch.project)[0].share is None
    decided(batch)
    decided(batch, verdict="correct", animal="dog")
    decided(batch, verdict="send_back")
    figures = reviews.of(batch.project)[0]
    assert (figures.waiting, figures.accepted, figures.corrected, figures.sent_back) == (2, 1, 1, 1)
    assert figures.share == 0.5
    assert figures.p05 < 0.5 < figures.p95
    progress = reviews.progress(batch.project, make.user("rita"))
    assert (progress.waiting, progress.for_you, progress.all) == (2, 1, 5)
