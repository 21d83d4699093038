"""What people are told: in the site, in the same transaction as what it is about, and by e-mail, by a sweep."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPServerDisconnected
from typing import Any, NamedTuple

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.urls import reverse

from marketplace.core import clock, ids
from marketplace.core.errors import Invalid
from marketplace.models import User
from workers.models import Notice, NoticeChoice

UNREAD_COUNTED = 10
READ_STEP = 1_000
TEXT_MOST = 5_000
LETTERS_A_STEP = 20
NOTICES_A_LETTER = 50
TRIES_MOST = 8
TRY_AGAIN_AFTER_S = 300  # longer than a letter can take to leave; twice as long after each try
DIGEST_HOUR = 7  # UTC

Mail = NoticeChoice.Mail
log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """What a notice is about, as people choose it."""

    words: str
    mail: str  # unless chosen otherwise
    is_kept: bool = False  # cannot be switched off in the site


KINDS = {
    "decision": Kind("Decisions about your work, your access or your project", Mail.AT_ONCE, is_kept=True),
    "appeal": Kind("Appeals: yours, and those against your decisions", Mail.AT_ONCE, is_kept=True),
    "money": Kind("Money: payouts, pay and prepayments", Mail.AT_ONCE, is_kept=True),
    "message": Kind("Questions and messages about tasks", Mail.AT_ONCE),
    "report": Kind("What became of what you reported", Mail.AT_ONCE),
    "guideline": Kind("A guideline you work by has changed", Mail.DAILY),
    "qualification": Kind("Training, exams and what you qualify for", Mail.DAILY),
    "rule": Kind("What a rule of a project has to say about your work, or about a worker of yours", Mail.DAILY),
    "aggregator": Kind("Your project's own aggregator gave no labels", Mail.AT_ONCE),
    "batch": Kind("A batch of yours has ended", Mail.DAILY),
}
OTHER = Kind("Everything else", Mail.DAILY)  # what came without a kind of the table


@dataclass(frozen=True)
class Choice:
    """How a person is told of one kind of thing."""

    kind: str
    words: str
    mail: str
    shown: bool
    is_kept: bool


@dataclass(frozen=True)
class Letter:
    """Notices on their way to one confirmed address."""

    address: str
    notices: list[Notice]


NEXT_DIGEST = f"""(date_trunc('day', (now.at AT TIME ZONE 'UTC') - interval '{DIGEST_HOUR} hours')
    + interval '1 day {DIGEST_HOUR} hours') AT TIME ZONE 'UTC'"""
TELL = f"""
INSERT INTO workers_notice (public_id, user_id, kind, subject, text, link, created_at, shown, mail_at, mail_tries)
SELECT %(public_id)s, %(user)s, %(kind)s, %(subject)s, %(text)s, %(link)s, now.at,
    %(is_kept)s OR coalesce(c.shown, TRUE),
    CASE coalesce(c.mail, %(mail)s) WHEN 'at_once' THEN now.at WHEN 'daily' THEN {NEXT_DIGEST} END, 0
FROM (SELECT clock_timestamp() AS at) AS now
LEFT JOIN workers_noticechoice c ON c.user_id = %(user)s AND c.kind = %(kind)s
RETURNING *
"""

# Who is due longest, without those whose last letter left a moment ago and those another cluster is writing to
DUE = """
SELECT n.user_id FROM workers_notice n WHERE n.mail_at <= %(at)s AND NOT EXISTS (
    SELECT FROM workers_notice last WHERE last.user_id = n.user_id AND last.mailed_at > %(apart)s)
ORDER BY n.mail_at LIMIT 1
"""
LOCKED = " FOR NO KEY UPDATE OF n SKIP LOCKED"
# Whatever becomes of the letter: it is tried again later, or this was the last try. Stamped as sent, it never is
TRY = f"""
UPDATE workers_notice SET mail_tries = mail_tries + 1, mail_at = CASE WHEN mail_tries + 1 < {TRIES_MOST}
    THEN %(at)s + (2 ^ mail_tries) * {TRY_AGAIN_AFTER_S} * interval '1 second' END
WHERE id = ANY(%(notices)s)
"""


def tell(user: User | int, kind: str, subject: str, text: str = "", link: str = "") -> Notice:
    """Leave a notice for a person, in one statement; what is too long is cut, so that it stops no caller.

    link  a path of this site
    """
    known = KINDS.get(kind, OTHER)
    values = {
        "public_id": ids.new("ntc"),
        "user": user if isinstance(user, int) else user.pk,
        "kind": _kept(kind, 40),
        "subject": _kept(" ".join(subject.split()), 200),
        "text": _kept(text, TEXT_MOST),
        "link": link if link.startswith("/") and not link.startswith("//") and len(link) <= 200 else "",
        "is_kept": known.is_kept,
        "mail": known.mail,
    }
    return Notice.objects.raw(TELL, values)[0]


def tell_all(users: Iterable[int], kind: str, subject: str, text: str = "", link: str = "") -> None:
    """Tell each of these people the same, in one order: no two callers wait for each other."""
    for user in sorted(set(users)):
        tell(user, kind, subject, text, link)


def unread(user: User) -> int:
    """How many this person has not read, counted to UNREAD_COUNTED."""
    return Notice.objects.filter(user=user, shown=True, read_at=None)[:UNREAD_COUNTED].count()


def read(notice: Notice) -> Notice:
    """Note that it was read; again: nothing changes."""
    if notice.read_at is None:
        notice.read_at = clock.now()
        Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=notice.read_at)
    return notice


@transaction.atomic
def read_all(user: User, limit: int = READ_STEP) -> bool:
    """Note that the person has read the oldest of what is unread; True while there may be more."""
    some = Notice.objects.filter(user=user, shown=True, read_at=None).order_by("pk")
    # without those that are being read elsewhere: two tabs wait for nobody
    chosen = list(some.select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True)[:limit])
    Notice.objects.filter(pk__in=chosen).update(read_at=clock.now())
    return len(chosen) == limit


def choices(user: User) -> list[Choice]:
    """How this person is told, for every kind there is."""
    said = {row.kind: row for row in NoticeChoice.objects.filter(user=user)}
    return [
        Choice(
            name,
            kind.words,
            said[name].mail if name in said else str(kind.mail),
            kind.is_kept or name not in said or said[name].shown,
            kind.is_kept,
        )
        for name, kind in KINDS.items()
    ]


@transaction.atomic
def choose(user: User, kind: str, mail: str, shown: bool = True) -> None:
    """Have this person told of one kind of thing like this from now on; letters that wait are sent like this, too.

    raises  Invalid  there is no such kind or way, or this kind is always shown in the site
    """
    if kind not in KINDS:
        raise _invalid("kind", "option", f"must be one of {', '.join(KINDS)}")
    if mail not in Mail.values:
        raise _invalid("mail", "option", f"must be one of {', '.join(Mail.values)}")
    if KINDS[kind].is_kept and not shown:
        raise _invalid("shown", "range", "this is always shown in the site")
    NoticeChoice.objects.update_or_create(user=user, kind=kind, defaults={"mail": mail, "shown": shown})
    with connection.cursor() as sql:
        sql.execute(
            f"""UPDATE workers_notice SET mail_at = CASE %(mail)s WHEN 'at_once' THEN least(mail_at, now.at)
                    WHEN 'daily' THEN {NEXT_DIGEST} END
                FROM (SELECT clock_timestamp() AS at) AS now
                WHERE user_id = %(user)s AND kind = %(kind)s AND mail_at IS NOT NULL AND mail_tries = 0""",
            {"mail": mail, "user": user.pk, "kind": kind},
        )


def mail_due(limit: int = LETTERS_A_STEP) -> bool:
    """Send the next letters, one to each person with all that is due; True while there may be more.

    Two clusters never send the same: a notice is put off before its letter leaves, and stamped after. A crash between
    these doubles that one letter, and no other. Where the mail server does not answer, nothing is put off at all.
    """
    for _ in range(limit):
        at = clock.now()
        if _due(DUE, at) is None:
            return False
        server = mail.get_connection()
        try:
            server.open()
        except OSError as error:
            log.warning("the mail server does not answer, letters wait: %s", type(error).__name__)
            return False
        try:
            if not _send_next(server, at):
                return False
        finally:
            _close(server)
    return True


def _send_next(server: Any, at: datetime) -> bool:
    """Write to whoever is due longest; False: to nobody, or the server went away."""
    letter = _take(at)
    if not isinstance(letter, Letter):
        return letter
    notices = [notice.pk for notice in letter.notices]
    try:
        _message(letter, server).send()
    except OSError as error:  # of these are all errors of smtplib
        log.warning("a letter did not leave and is tried again: %s", type(error).__name__)
        return isinstance(error, SMTPException) and not isinstance(error, SMTPServerDisconnected)
    Notice.objects.filter(pk__in=notices).update(mailed_at=clock.now(), mail_at=None)
    return True


@transaction.atomic
def _take(at: datetime) -> Letter | bool:
    """The next letter, all it tells put off until it would be tried again; else whether there was anybody due."""
    user = _due(DUE + LOCKED, at)
    if user is None:
        return False
    due = Notice.objects.filter(user=user, mail_at__lte=at).order_by("pk")
    notices = list(due.select_for_update(no_key=True, skip_locked=True)[:NOTICES_A_LETTER])
    pks = [notice.pk for notice in notices]
    confirmed = EmailAddress.objects.filter(user=user, verified=True, user__is_active=True)
    address = confirmed.order_by("-primary", "pk").values_list("email", flat=True).first()
    if address is None:  # they find it in the site
        Notice.objects.filter(pk__in=pks).update(mail_at=None)
        return True
    with connection.cursor() as sql:
        sql.execute(TRY, {"at": at, "notices": pks})
    return Letter(address, notices)


def _due(statement: str, at: datetime) -> int | None:
    """Whom to write to next."""
    with connection.cursor() as sql:
        sql.execute(statement, {"at": at, "apart": at - timedelta(seconds=settings.NOTICE_LETTERS_APART_S)})
        found = sql.fetchone()
        return found[0] if found else None


def _message(letter: Letter, server: Any) -> mail.EmailMessage:
    first, count = letter.notices[0], len(letter.notices)
    subject = first.subject if count == 1 else f"{count} notices, the first: {first.subject}"
    told = [(notice, f"{settings.SITE_URL}{notice.link}" if notice.link else "") for notice in letter.notices]
    context = {"told": told, "choices": settings.SITE_URL + reverse("notice-choices")}
    body = render_to_string("workers/letter.txt", context)
    return mail.EmailMessage(
        settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + subject,
        body,
        to=[letter.address],
        connection=server,
        headers={"Auto-Submitted": "auto-generated"},
    )


def _close(server: Any) -> None:
    """Whether the server hears it or not, the letter has left, or is tried again."""
    try:
        server.close()
    except OSError as error:
        log.warning("the mail server went away: %s", type(error).__name__)


def _kept(text: str, most: int) -> str:
    """As much of it as the database can hold."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode()
    return clean if len(clean) <= most else f"{clean[: most - 1]}…"


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])


def forget(user: User) -> None:
    """Blank what this person was told; the rows stay."""
    Notice.objects.filter(user=user).update(subject="", text="", link="", mail_at=None)
