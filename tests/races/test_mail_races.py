"""Two clusters that send letters at once."""

import time
from collections import Counter
from threading import Barrier, Lock

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from marketplace.core import clock
from tests import make
from tests.race import race
from workers import notices
from workers.models import Notice

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 12

sent: "Counter[str]" = Counter()
guard = Lock()


class Slow(BaseEmailBackend):
    """A mail server that takes its time, so that the clusters meet at every letter."""

    def open(self):
        return True

    def send_messages(self, messages):
        time.sleep(0.02)
        with guard:
            sent.update(message.to[0] for message in messages)
        return len(messages)


@pytest.fixture(autouse=True)
def _slow(monkeypatch, settings):
    monkeypatch.setattr(mail, "get_connection", lambda *args, **options: Slow())
    settings.NOTICE_LETTERS_APART_S = 0
    sent.clear()
    for n in range(PEOPLE):
        notices.tell(make.user(f"worker{n}"), "money", "A payout is sent")


def once():
    return {f"worker{n}@example.org": 1 for n in range(PEOPLE)}


def cluster():
    while notices.mail_due():
        pass


def test_four_clusters_at_once_send_every_letter_once():
    assert race(*[cluster] * 4) == [None] * 4
    cluster()
    assert dict(sent) == once()
    assert not Notice.objects.filter(mailed_at=None).exists()


def test_control_two_clusters_that_look_before_they_send_send_twice():
    both_have_looked = Barrier(2)

    def naive():
        due = list(Notice.objects.filter(mail_at__lte=clock.now()).select_related("user"))
        both_have_looked.wait(10)
        for notice in due:
            mail.EmailMessage(notice.subject, to=[notice.user.email], connection=mail.get_connection()).send()
            Notice.objects.filter(pk=notice.pk).update(mailed_at=clock.now(), mail_at=None)

    assert race(naive, naive) == [None, None]
    assert dict(sent) == dict.fromkeys(once(), 2)


def test_a_cluster_that_dies_with_a_letter_in_its_hand_doubles_that_one_at_most(monkeypatch):
    class Dies(Slow):
        """The letter has left; its stamp goes with the process."""

        def send_messages(self, messages):
            super().send_messages(messages)
            raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(mail, "get_connection", lambda *args, **options: Dies())
        with pytest.raises(SystemExit):
            notices.mail_due()
    cluster()
    assert dict(sent) == once()  # it is not tried again before its time
    Notice.objects.filter(mailed_at=None).update(mail_at=clock.now())
    cluster()
    assert Counter(sent.values()) == {1: PEOPLE - 1, 2: 1}
