"""Questions about tasks: who may ask what, what each side sees, and what comes of it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from marketplace import accounts, guidelines
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from tasks import assignments, batches, conversations
from tasks.errors import OwnWork
from tasks.models import Answer, Assignment, Batch, Conversation, Evidence
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers.models import Notice, Reliability, Worker

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>\n**bold** [x](javascript:alert(1))"
GUIDELINE = "# Animals\n\nLook.\n\n## Owls\n\nBig eyes.\n\n```\n# no heading\n```\n\n## Cats ##\n"


@pytest.fixture
def batch() -> Batch:
    return work.published(items=9)


@pytest.fixture
def lease(batch: Batch) -> Assignment:
    return assignments.claim(work.worker(), batch.project)


def asked(lease: Assignment, text: str = "Is this one?", **about: Any) -> Conversation:
    return conversations.ask(lease.worker, lease.project, text, **{"assignment": lease, "position": 0, **about})


def text(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def told(user: Any) -> list[str]:
    return list(Notice.objects.filter(user=user, kind="message").order_by("pk").values_list("subject", flat=True))


# Asking


def test_a_question_is_answered_and_both_sides_are_told(lease, rita, wes):
    question = asked(lease)
    assert (question.state, told(rita)) == ("open", ["A worker asks about Animals"])
    conversations.reply(question, rita, " It is. ")
    question.refresh_from_db()
    assert (question.state, told(wes)) == ("answered", ["Rita's lab answered your question"])
    conversations.reply(question, wes, "Sure?")
    question.refresh_from_db()
    assert question.state == "open"
    assert [(m.by_worker, m.text) for m in question.messages.order_by("pk")] == [
        (True, "Is this one?"),
        (False, "It is."),
        (True, "Sure?"),
    ]


def test_only_those_who_answered_are_told_of_what_follows(lease, rita):
    home = lease.project.organisation
    max_, rosa = make.user("max"), make.user("rosa")
    accounts.add_member(home, max_.email, "manager", rita)
    accounts.add_member(home, rosa.email, "reviewer", rita)
    question = asked(lease)
    assert [len(told(person)) for person in (rita, max_, rosa)] == [1, 1, 0]
    conversations.reply(question, rosa, "It is.")
    conversations.reply(question, lease.worker.user, "Thanks.")
    assert [len(told(person)) for person in (rita, max_, rosa)] == [1, 1, 1]


def test_one_asks_about_own_pages_also_old_ones_and_about_what_one_may_see(lease, rita, sam):
    other = work.worker("sam")
    with pytest.raises(Forbidden):
        conversations.ask(other, lease.project, "And this?", assignment=lease, position=0)
    with pytest.raises(OwnWork):
        conversations.ask(work.worker("rita"), lease.project, "And this?")
    assert conversations.ask(other, lease.project, "What is it about?").assignment is None
    for wrong in ({"position": 3}, {"position": None}, {"assignment": None}):
        with pytest.raises(Invalid):
            asked(lease, **wrong)
    assignments.give_back(lease)
    batches.close_project(lease.project, rita)
    question = asked(lease, "What was it?")
    assert conversations.reply(question, rita, "An owl.").by_worker is False
    with pytest.raises(Forbidden):
        conversations.ask(other, lease.project, "And now?")
    with pytest.raises(Forbidden):
        conversations.ask(work.worker("olga"), make.project(), "A draft?")


@pytest.mark.parametrize("words", ["", " \n ", "x" * 5_001, "a\0b", "\ud800"])
def test_a_text_has_1_to_5000_characters(lease, rita, words):
    with pytest.raises(Invalid):
        asked(lease, words)
    question = asked(lease, "x" * 5_000)
    with pytest.raises(Invalid):
        conversations.reply(question, rita, words)
    assert question.messages.count() == 1


def test_a_conversation_is_full_at_some_time(lease, rita, monkeypatch):
    monkeypatch.setattr(conversations, "MESSAGES_MOST", 2)
    question = asked(lease)
    conversations.reply(question, rita, "It is.")
    with pytest.raises(IllegalMove):
        conversations.reply(question, rita, "Really.")


def test_either_side_closes_and_then_nobody_writes(lease, rita, wes, sam):
    question = asked(lease)
    with pytest.raises(Forbidden):
        conversations.close(question, sam)
    for person in (rita, wes):
        assert conversations.close(question, person).state == "closed"
        with pytest.raises(IllegalMove):
            conversations.reply(question, person, "One more.")
    assert told(wes) == ["Rita's lab closed your question"]


def test_only_the_two_sides_write(lease, sam):
    with pytest.raises(Forbidden):
        conversations.reply(asked(lease), sam, "Me too.")


# Passages, and the guideline


def test_questions_are_counted_for_each_passage_of_the_guideline(lease, rita):
    guidelines.write(lease.project, rita, GUIDELINE)
    assert conversations.passages(lease.project) == ["Animals", "Owls", "Cats"]
    for passage in ("Owls", "Cats", "Owls", ""):
        asked(lease, passage=passage)
    assert conversations.by_passage(lease.project) == [("Owls", 2), ("Cats", 1)]
    with pytest.raises(Invalid):
        asked(lease, passage="no heading")


def test_an_answer_becomes_part_of_the_guideline(lease, rita, wes):
    guidelines.write(lease.project, rita, "# Animals\n\nLook.")
    first, second = asked(lease), asked(lease)
    version = conversations.promote(first, rita, "Is a\n kitten a cat?", "Yes.").version
    first.refresh_from_db()
    assert (version, first.promoted_version) == (2, 2)
    conversations.promote(second, rita, "And a lion?", "No.")
    assert lease.project.guidelines.first().text == (
        "# Animals\n\nLook.\n\n## Questions and answers\n\n### Is a kitten a cat?\n\nYes.\n\n### And a lion?\n\nNo.\n"
    )
    assert told(wes) == ["Your question is now part of the guideline of Animals"] * 2
    with pytest.raises(IllegalMove):
        conversations.promote(first, rita, "Is a kitten a cat?", "Yes.")


def test_a_pair_goes_to_the_end_of_its_section():
    before = "## Questions and answers\n\n### A\n\na\n\n## More\n\nmore"
    after = "## Questions and answers\n\n### A\n\na\n\n### B\n\nb\n\n## More\n\nmore\n"
    assert conversations.with_pair(before, "B", "b") == after
    assert conversations.with_pair("", "B", "b") == "## Questions and answers\n\n### B\n\nb\n"


def test_only_managers_write_into_the_guideline_and_not_of_a_closed_project(lease, rita, wes):
    rosa = make.user("rosa")
    accounts.add_member(lease.project.organisation, rosa.email, "reviewer", rita)
    question = asked(lease)
    for person in (rosa, wes):
        with pytest.raises(Forbidden):
            conversations.promote(question, person, "Is it?", "It is.")
    batches.close_project(lease.project, rita)
    with pytest.raises(IllegalMove):
        conversations.promote(question, rita, "Is it?", "It is.")
    question.refresh_from_db()
    assert question.promoted_version is None


# What each side sees


def test_neither_side_learns_who_the_other_is(lease, rita, wes, as_rita):
    question = asked(lease)
    conversations.reply(question, rita, "It is.")
    as_wes = signed_in(wes)
    requester_pages = [
        reverse("conversation", args=[question.public_id]),
        reverse("inbox", args=[lease.project.public_id]),
    ]
    requester_pages += [
        f"/api/v1/conversations/{question.public_id}",
        f"/api/v1/conversations/{question.public_id}/messages",
    ]
    requester_pages += [f"/api/v1/projects/{lease.project.public_id}/questions"]
    for address in requester_pages:
        page = text(as_rita.get(address))
        assert not [
            mark
            for mark in (wes.email, wes.name, wes.public_id, lease.worker.public_id, lease.public_id)
            if mark in page
        ]
    assert lease.project.organisation.pseudonym(lease.worker.public_id)[:10] in text(as_rita.get(requester_pages[0]))
    worker_pages = [reverse("question", args=[question.public_id]), reverse("my-questions")]
    worker_pages += [
        f"/api/v1/work/questions/{question.public_id}",
        f"/api/v1/work/questions/{question.public_id}/messages",
    ]
    for address in worker_pages:
        page = text(as_wes.get(address))
        marks = (rita.email, "Rita<", ">Rita ", rita.public_id, lease.project.organisation.public_id)
        assert not [mark for mark in marks if mark in page]
    assert "Rita&#x27;s lab" in text(as_wes.get(worker_pages[0]))


def test_texts_are_plain_on_every_page(lease, rita, wes, as_rita):
    guidelines.write(lease.project, rita, "# <img src=x onerror=alert(1)>\n")
    question = asked(lease, EVIL, passage="<img src=x onerror=alert(1)>")
    conversations.reply(question, rita, EVIL)
    as_wes = signed_in(wes)
    for client, name, row in (
        (as_rita, "conversation", question),
        (as_rita, "promote", question),
        (as_rita, "inbox", lease.project),
        (as_wes, "question", question),
        (as_wes, "ask-about-project", lease.project),
    ):
        page = text(client.get(reverse(name, args=[row.public_id])))
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    page = text(as_wes.get(reverse("question", args=[question.public_id])))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>**bold**" in page
    assert '<a href="javascript' not in page


def test_a_question_about_gold_looks_like_any_other_to_the_worker_and_not_to_the_requester(rita, wes, as_rita):
    batch = work.published(items=30, gold=10, gold_share=0.5, page_size=10)
    lease = assignments.claim(work.worker(), batch.project)
    gold = lease.answers.filter(to_grade=True).first()
    plain = lease.answers.filter(to_grade=False).first()
    as_wes, seen = signed_in(wes), {}
    for name, answer in (("gold", gold), ("plain", plain)):
        question = asked(lease, position=answer.position)
        conversations.reply(question, rita, "Look at the eyes.")
        hers = text(as_rita.get(reverse("conversation", args=[question.public_id])))
        assert ("This is gold" in hers) is (name == "gold")
        row = as_rita.get(f"/api/v1/conversations/{question.public_id}").json()
        assert (row["is_gold"], row["payload"]) == (name == "gold", answer.task.item.payload)
        his = text(as_wes.get(reverse("question", args=[question.public_id])))
        row = as_wes.get(f"/api/v1/work/questions/{question.public_id}").json()
        seen[name] = (len(his) - len(answer.task.item.payload["text"]), sorted(row))
        assert "is_gold" not in row
    assert seen["gold"][1] == seen["plain"][1]
    assert abs(seen["gold"][0] - seen["plain"][0]) <= 2  # no more than the digits of a position


def test_reading_is_noted_for_the_other_side_alone(lease, rita, wes, as_rita):
    question = asked(lease)
    conversations.reply(question, rita, "It is.")
    as_rita.get(reverse("conversation", args=[question.public_id]))
    assert [message.read_at is not None for message in question.messages.order_by("pk")] == [True, False]
    assert 'class="count">1' in text(signed_in(wes).get(reverse("my-questions")))
    signed_in(wes).get(reverse("question", args=[question.public_id]))
    assert not question.messages.filter(read_at=None).exists()


def test_strangers_find_no_conversation(lease, as_sam):
    question = asked(lease)
    for name in ("question", "conversation", "promote"):
        assert as_sam.get(reverse(name, args=[question.public_id])).status_code == 404
    for name in ("close-question", "close-conversation", "question", "conversation"):
        assert as_sam.post(reverse(name, args=[question.public_id]), {"text": "x"}).status_code == 404
    assert as_sam.get(reverse("ask-about-task", args=[lease.public_id, 0])).status_code == 404


# Pages and API


def test_asking_answering_and_promoting_on_the_pages(lease, rita, wes, as_rita):
    guidelines.write(lease.project, rita, GUIDELINE)
    as_wes = signed_in(wes)
    assert "Ask about this task" in text(as_wes.get(reverse("assignment", args=[lease.public_id])))
    typed = {"text": "Is this one?", "passage": "Owls"}
    page = text(as_wes.post(reverse("ask-about-task", args=[lease.public_id, 0]), typed, follow=True))
    assert "Your question is sent" in page
    question = Conversation.objects.get()
    inbox = reverse("inbox", args=[lease.project.public_id])
    assert "Is this one?" in text(as_rita.get(inbox, {"state": "open"}))
    assert "Is this one?" not in text(as_rita.get(inbox, {"state": "answered"}))
    assert "Owls" in text(as_rita.get(inbox))
    address = reverse("conversation", args=[question.public_id])
    assert "Your message is sent" in text(as_rita.post(address, {"text": "It is."}, follow=True))
    promote = reverse("promote", args=[question.public_id])
    assert "It is.</textarea>" in text(as_rita.get(promote))
    assert "version 2" in text(as_rita.post(promote, {"question": "Is it?", "answer": "It is."}, follow=True))
    as_wes.post(reverse("close-question", args=[question.public_id]))
    assert "This conversation is closed" in text(as_rita.get(address))


@pytest.mark.parametrize("words", ["write to wes@example.org", "call +44 20 7946 0958", "call 0171/555 55 55"])
def test_an_address_in_a_text_is_asked_about_once_and_not_refused(lease, wes, words):
    client, address = signed_in(wes), reverse("ask-about-task", args=[lease.public_id, 0])
    page = text(client.post(address, {"text": words}))
    assert "looks like an e-mail address or a telephone number" in page
    assert 'name="sure" value="on"' in page
    assert not Conversation.objects.exists()
    assert client.post(address, {"text": words, "sure": "on"}).status_code == 302
    assert Conversation.objects.get().messages.get().text == words


def test_numbers_that_are_no_telephone_are_not_asked_about(lease, wes):
    words = "Is 12345678 the year 2024, or 0.5 of 100 000?"
    address = reverse("ask-about-task", args=[lease.public_id, 0])
    assert signed_in(wes).post(address, {"text": words}).status_code == 302


def test_both_sides_talk_over_the_api(lease, rita, wes, as_rita):
    as_wes: Client = signed_in(wes)
    body = {"text": "Is this one?", "assignment": lease.public_id, "position": 0}
    asked = as_wes.post(f"/api/v1/work/projects/{lease.project.public_id}/questions", body, "application/json")
    assert asked.status_code == 201
    row = asked.json()
    assert (row["assignment"], row["position"], row["state"]) == (lease.public_id, 0, "open")
    said = f"/api/v1/conversations/{row['id']}/messages"
    assert as_rita.post(said, {"text": "It is."}, "application/json").status_code == 201
    (mine,) = as_wes.get("/api/v1/work/questions?state=answered").json()["items"]
    assert mine["id"] == row["id"]
    messages = as_wes.get(f"/api/v1/work/questions/{row['id']}/messages").json()["items"]
    assert [message["text"] for message in messages] == ["Is this one?", "It is."]
    assert as_wes.post(f"/api/v1/work/questions/{row['id']}/read").status_code == 204
    assert as_rita.get(said).json()["items"][1]["read_at"]
    pair = {"question": "Is it?", "answer": "It is."}
    promoted = as_rita.post(f"/api/v1/conversations/{row['id']}/promote", pair, "application/json")
    assert promoted.json() == {"version": 1}
    assert as_wes.post(f"/api/v1/work/questions/{row['id']}/close").json()["state"] == "closed"
    assert as_rita.get(f"/api/v1/projects/{lease.project.public_id}/questions/passages").json() == []


def test_messages_are_counted_by_page_and_api_together(lease, wes, settings):
    settings.LIMITS = {**settings.LIMITS, "message": (2, 3600)}
    client, address = signed_in(wes), reverse("ask-about-task", args=[lease.public_id, 0])
    assert client.post(address, {"text": "One?"}).status_code == 302
    api = f"/api/v1/work/projects/{lease.project.public_id}/questions"
    assert client.post(api, {"text": "Two?"}, "application/json").status_code == 201
    assert client.post(api, {"text": "Three?"}, "application/json").status_code == 429
    assert "too often" in text(client.post(address, {"text": "Four?"}))
    assert Conversation.objects.count() == 2


def test_questions_move_no_figure(lease, rita):
    before = list(Answer.objects.order_by("pk").values())
    question = asked(lease)
    conversations.reply(question, rita, "You are wrong, and slow, and everything.")
    conversations.close(question, rita)
    work.sweep()
    assert list(Answer.objects.order_by("pk").values()) == before
    assert not Evidence.objects.exists()
    assert not Reliability.objects.exists()
    assert Worker.objects.get(pk=lease.worker_id).state == "active"
