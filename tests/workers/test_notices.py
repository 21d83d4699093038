"""What people are told: in the site, by e-mail, and how they choose."""

from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.core import clock
from marketplace.core.errors import Invalid
from tests.conftest import signed_in
from workers import jobs, notices
from workers.models import Notice

pytestmark = pytest.mark.django_db


class Down(EmailBackend):
    """A mail server that does not answer."""

    def open(self) -> bool:
        raise ConnectionRefusedError


class Broken(EmailBackend):
    """One that hangs up in the middle of a letter."""

    def send_messages(self, messages: Any) -> int:
        raise SMTPServerDisconnected("gone")


class Choosy(EmailBackend):
    """One that does not know Wes."""

    def send_messages(self, messages: Any) -> int:
        for message in messages:
            if "wes@example.org" in message.to:
                raise SMTPRecipientsRefused({"wes@example.org": (550, b"unknown")})
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def _no_pause(settings: Any) -> None:
    settings.NOTICE_LETTERS_APART_S = 0


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Which server there is from now on."""

    def there_is(backend: type) -> None:
        monkeypatch.setattr(mail, "get_connection", lambda *args, **options: backend())

    return there_is


def make_due(**more: Any) -> None:
    Notice.objects.filter(mail_at__isnull=False).update(mail_at=clock.now() - timedelta(seconds=1), **more)


# In the site


def test_telling_is_one_statement(wes):
    with CaptureQueriesContext(connection) as asked:
        notices.tell(wes, "money", "A payout is sent")
    assert len(asked) == 1


def test_what_is_too_long_or_not_text_is_cut_and_stops_nobody(wes):
    told = notices.tell(wes, "x" * 50, "one\ntwo\0 \ud800" + "s" * 300, "t" * 6000, "https://evil.example/")
    told.refresh_from_db()
    assert told.subject.startswith("one two ?s")
    assert (len(told.kind), len(told.subject), len(told.text), told.link) == (40, 200, notices.TEXT_MOST, "")
    assert notices.tell(wes, "money", "x", "", "//evil.example/").link == ""
    assert notices.tell(wes, "money", "x", "", "/" + "a" * 200).link == ""
    assert notices.tell(wes.pk, "money", "s" * 200, "", "/" + "a" * 199).link == "/" + "a" * 199


def test_the_navigation_counts_what_is_unread_up_to_nine(wes, sam):
    client = signed_in(wes)
    assert 'class="count"' not in client.get(reverse("account")).content.decode()
    for _ in range(9):
        last = notices.tell(wes, "money", "A payout is sent")
    assert 'class="count">9<' in client.get(reverse("account")).content.decode()
    notices.tell(wes, "money", "A payout is sent")
    assert 'class="count">9+<' in client.get(reverse("account")).content.decode()
    notices.read(last)
    assert 'class="count">9<' in client.get(reverse("account")).content.decode()
    assert 'class="count"' not in signed_in(sam).get(reverse("account")).content.decode()


def test_counting_reads_the_partial_index(wes):
    with CaptureQueriesContext(connection) as asked:
        notices.unread(wes)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + asked[0]["sql"])
        assert "notice_unread" in str(cursor.fetchall())


def test_opening_a_notice_reads_it_and_leads_to_its_place(wes, sam):
    told = notices.tell(wes, "money", "A payout is sent", "", "/earnings/")
    address = reverse("open-notice", args=[told.public_id])
    assert signed_in(sam).post(address).status_code == 404
    assert signed_in(wes).get(address).status_code == 405
    response = signed_in(wes).post(address)
    assert (response.status_code, response["Location"]) == (302, "/earnings/")
    told.refresh_from_db()
    first = told.read_at
    assert first is not None
    signed_in(wes).post(address)
    told.refresh_from_db()
    assert told.read_at == first


def test_all_are_read_in_steps(wes, sam):
    for person in (wes, wes, wes, sam):
        notices.tell(person, "money", "A payout is sent")
    assert [notices.read_all(wes, 2), notices.read_all(wes, 2), notices.read_all(wes, 2)] == [True, False, False]
    assert (notices.unread(wes), notices.unread(sam)) == (0, 1)


def test_the_list_is_newest_first_and_escapes_what_it_says(wes):
    for number in range(30):
        notices.tell(wes, "money", f"<script>{number}</script>", "<b>bold</b>\nline")
    client = signed_in(wes)
    page = client.get(reverse("notices")).content.decode()
    assert "&lt;script&gt;29&lt;/script&gt;" in page
    assert "&lt;b&gt;bold&lt;/b&gt;<br>line" in page
    assert "<script>29" not in page
    assert "script&gt;4&lt;" not in page
    older = page.partition('class="pages"><a href="')[2].partition('"')[0]
    assert "script&gt;4&lt;" in client.get(reverse("notices") + older.replace("&amp;", "&")).content.decode()


# Choices


def test_what_is_about_decisions_and_money_cannot_be_switched_off_in_the_site(wes):
    for kind in ("decision", "appeal", "money"):
        with pytest.raises(Invalid):
            notices.choose(wes, kind, "not", shown=False)
        notices.choose(wes, kind, "not")
        assert notices.tell(wes, kind, "Something").shown
    with pytest.raises(Invalid):
        notices.choose(wes, "nonsense", "not")
    with pytest.raises(Invalid):
        notices.choose(wes, "money", "sometimes")


def test_what_is_switched_off_is_neither_shown_nor_counted_nor_sent(wes):
    notices.choose(wes, "batch", "not", shown=False)
    notices.tell(wes, "batch", "A batch is done")
    assert notices.unread(wes) == 0
    assert "A batch is done" not in signed_in(wes).get(reverse("notices")).content.decode()
    jobs.mail_notices()
    assert mail.outbox == []


def test_choices_are_made_on_the_page_and_over_the_api(wes):
    client = signed_in(wes)
    typed = {f"{choice.kind}-mail": choice.mail for choice in notices.choices(wes)}
    shown = {f"{choice.kind}-shown": "on" for choice in notices.choices(wes)}
    client.post(reverse("notice-choices"), {**typed, **shown, "batch-mail": "not"})
    said = {choice.kind: choice for choice in notices.choices(wes)}
    assert (said["batch"].mail, said["batch"].shown, said["message"].mail) == ("not", True, "at_once")
    body = {"choices": [{"kind": "money", "mail": "daily", "shown": True}]}
    answer = client.put("/api/v1/notices/choices", body, "application/json").json()
    assert {row["kind"]: row["mail"] for row in answer["choices"]}["money"] == "daily"
    both = {
        "choices": [{"kind": "batch", "mail": "daily", "shown": True}, {"kind": "money", "mail": "not", "shown": 0}]
    }
    assert client.put("/api/v1/notices/choices", both, "application/json").status_code == 422
    assert {choice.kind: choice.mail for choice in notices.choices(wes)}["batch"] == "not"  # all of them or none


def test_the_api_lists_and_reads(wes, sam):
    told = notices.tell(wes, "money", "A payout is sent", "To your bank.", "/earnings/")
    client = signed_in(wes)
    (row,) = client.get("/api/v1/notices").json()["items"]
    assert (row["id"], row["subject"], row["read_at"]) == (told.public_id, "A payout is sent", None)
    assert signed_in(sam).post(f"/api/v1/notices/{told.public_id}/read").status_code == 404
    assert client.post(f"/api/v1/notices/{told.public_id}/read").json()["read_at"]
    assert client.post("/api/v1/notices/read").json() == {"more": False}


# By e-mail


def test_a_letter_says_what_happened_where_and_how_to_choose(wes, settings):
    settings.SITE_URL = "https://hands.example"
    notices.tell(wes, "money", "A payout is sent & <so on>", "To your bank.", "/earnings/")
    assert jobs.mail_notices() is False
    (letter,) = mail.outbox
    assert letter.to == ["wes@example.org"]
    assert letter.subject == "[Manyhands] A payout is sent & <so on>"
    assert "To your bank.\n\nhttps://hands.example/earnings/\n" in letter.body
    assert "https://hands.example/notices/choices/" in letter.body
    assert Notice.objects.get().mailed_at
    jobs.mail_notices()
    assert len(mail.outbox) == 1


def test_what_is_due_together_is_one_letter(wes, sam):
    for person in (wes, sam, wes):
        notices.tell(person, "money", "A payout is sent")
    jobs.mail_notices()
    assert sorted((letter.to[0], letter.subject[12:]) for letter in mail.outbox) == [
        ("sam@example.org", "A payout is sent"),
        ("wes@example.org", "2 notices, the first: A payout is sent"),
    ]


def test_letters_to_a_person_are_some_time_apart(wes, settings):
    settings.NOTICE_LETTERS_APART_S = 300
    notices.tell(wes, "money", "One")
    jobs.mail_notices()
    notices.tell(wes, "money", "Two")
    notices.tell(wes, "money", "Three")
    jobs.mail_notices()
    assert len(mail.outbox) == 1
    Notice.objects.filter(subject="One").update(mailed_at=clock.now() - timedelta(seconds=301))
    jobs.mail_notices()
    assert [letter.subject[12:] for letter in mail.outbox] == ["One", "2 notices, the first: Two"]


def test_the_daily_digest_waits_for_its_hour(wes):
    told = notices.tell(wes, "batch", "A batch is done")
    assert told.mail_at > told.created_at
    assert (told.mail_at.hour, told.mail_at.minute) == (notices.DIGEST_HOUR, 0)
    assert told.mail_at - told.created_at <= timedelta(days=1)
    jobs.mail_notices()
    assert mail.outbox == []
    make_due()
    jobs.mail_notices()
    assert len(mail.outbox) == 1


def test_a_choice_holds_for_letters_that_wait(wes):
    notices.tell(wes, "batch", "A batch is done")
    notices.choose(wes, "batch", "not")
    make_due()
    jobs.mail_notices()
    assert mail.outbox == []
    notices.tell(wes, "money", "A payout is sent")
    notices.choose(wes, "money", "daily")
    jobs.mail_notices()
    assert mail.outbox == []
    notices.choose(wes, "money", "at_once")
    jobs.mail_notices()
    assert len(mail.outbox) == 1


def test_letters_go_to_confirmed_addresses_of_people_who_are_there(wes, sam, rita):
    EmailAddress.objects.filter(user=wes).update(verified=False)
    EmailAddress.objects.create(user=rita, email="second@example.org", verified=True, primary=False)
    EmailAddress.objects.filter(email="rita@example.org").update(verified=False)
    sam.is_active = False
    sam.save()
    for person in (wes, sam, rita):
        notices.tell(person, "money", "A payout is sent")
    assert jobs.mail_notices() is False
    assert [letter.to for letter in mail.outbox] == [["second@example.org"]]
    assert not Notice.objects.filter(mail_at__isnull=False).exists()
    assert notices.unread(wes) == 1


# A mail server that fails


def test_a_server_that_does_not_answer_delays_and_costs_no_try(wes, backends):
    notices.tell(wes, "money", "A payout is sent")
    backends(Down)
    for _ in range(2 * notices.TRIES_MOST):
        assert jobs.mail_notices() is False
    backends(EmailBackend)
    jobs.mail_notices()
    assert len(mail.outbox) == 1
    assert Notice.objects.get().mail_tries == 1


def test_a_server_that_hangs_up_gets_the_letter_again_later_and_no_other_meanwhile(wes, sam, backends):
    notices.tell(wes, "money", "A payout is sent")
    notices.tell(sam, "money", "A payout is sent")
    backends(Broken)
    assert jobs.mail_notices() is False
    assert sorted(Notice.objects.values_list("mail_tries", flat=True)) == [0, 1]
    backends(EmailBackend)
    jobs.mail_notices()
    assert [letter.to for letter in mail.outbox] == [["sam@example.org"]]
    make_due()
    jobs.mail_notices()
    assert [letter.to[0] for letter in mail.outbox] == ["sam@example.org", "wes@example.org"]


def test_an_address_that_is_refused_holds_up_nobody_and_is_given_up(wes, sam, backends):
    notices.tell(wes, "money", "A payout is sent")
    notices.tell(sam, "money", "A payout is sent")
    backends(Choosy)
    for _ in range(notices.TRIES_MOST + 2):
        jobs.mail_notices()
        make_due()
    assert [letter.to for letter in mail.outbox] == [["sam@example.org"]]
    told = Notice.objects.get(user=wes)
    assert (told.mail_tries, told.mail_at, told.mailed_at) == (notices.TRIES_MOST, None, None)


def test_each_try_waits_twice_as_long(wes, backends):
    told, waits = notices.tell(wes, "money", "A payout is sent"), []
    backends(Choosy)
    for _ in range(3):
        before = clock.now()
        jobs.mail_notices()
        told.refresh_from_db()
        waits.append(round((told.mail_at - before).total_seconds() / notices.TRY_AGAIN_AFTER_S))
        make_due()
    assert waits == [1, 2, 4]
