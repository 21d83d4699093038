"""Every route of the site, found in the resolver, with a row for what its address names and a body that makes sense."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import get_resolver
from django.utils.regex_helper import normalize
from django.views import View

from marketplace.core.paging import seal
from marketplace.models import ItemAlias
from tests import make
from tests.marketplace.test_web import TYPED
from tests.world import World
from workers import profiles

METHODS = [name.upper() for name in View.http_method_names]
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}

# What an address names: by the segment before it, by the parameter, or by both
NAMED: dict[str, Callable[[World], Any]] = {
    "answers": lambda here: here.answer.public_id,
    "api-keys": lambda here: here.key.public_id,
    "appeals": lambda here: here.appeal.public_id,
    "assignments": lambda here: here.lease.public_id,
    "batches": lambda here: here.batch.public_id,
    "conversations": lambda here: here.conversation.public_id,
    "cohorts": lambda here: here.cohort.public_id,
    "lessons": lambda here: here.lesson.public_id,
    "datasets": lambda here: here.dataset.public_id,
    "decisions": lambda here: here.decision.public_id,
    "imports": lambda here: here.run.public_id,
    "keys": lambda here: here.key.public_id,
    "members": lambda here: here.max.public_id,
    "messages": lambda here: here.message.public_id,
    "notices": lambda here: here.notice.public_id,
    "organisations": lambda here: here.organisation.public_id,
    "payouts": lambda here: here.payout.public_id,
    "prepayments": lambda here: here.prepayment.public_id,
    "refunds": lambda here: here.refund.public_id,
    "payout-reviews": lambda here: here.reviewed.public_id,
    "projects": lambda here: here.project.public_id,
    "questions": lambda here: here.conversation.public_id,
    "reports": lambda here: here.report.public_id,
    "reviews": lambda here: here.review.public_id,
    "rules": lambda here: here.rule.public_id,
    "top-up-proposals": lambda here: here.proposal.public_id,
    "members/membership": lambda here: here.membership.pk,
    "gold": lambda here: here.batch.gold.order_by("pk")[0].public_id,
    "known-answers": lambda here: here.practice.answers.order_by("pk")[0].public_id,
    "reliability": lambda here: here.project.public_id,
    "workers": lambda here: here.organisation.pseudonym(profiles.of(here.wes).public_id),
    "qualifications": lambda here: here.qualification.public_id,
    "groups": lambda here: here.group.public_id,
    "memberships": lambda here: here.group.public_id,
    "invitations": lambda here: here.invitation.public_id,
    "credentials": lambda here: here.credential.public_id,
    "credential-requests": lambda here: here.credential_request.public_id,
    "invoices": lambda here: here.invoice.public_id,
    "months": lambda here: str(here.invoice.month),
    "years": lambda here: here.invoice.month.first_day.year,
    "filings": lambda here: here.invoice.month.first_day.year,
    "amounts": lambda here: seal(here.amount.pk),
    "lines/position": lambda here: 0,
    "kind": lambda here: "csv",
    "position": lambda here: 0,
    "version": lambda here: 1,
    # of those who sign in
    "confirm-email": lambda here: "MQ:nothing",
    "key": lambda here: "nothing",
    # of the admin
    "account/pk": lambda here: here.amount.credit_id,
    "entry/pk": lambda here: here.amount.entry_id,
    "app_label": lambda here: "marketplace",
    "content_type_id": lambda here: 1,
    "object_id": lambda here: 1,
    "url": lambda here: "nothing",
}
WHOSE = {  # all others: "rita"
    **dict.fromkeys(
        (
            *("assignments", "decisions", "notices", "payouts", "questions", "memberships", "invitations"),
            *("known-answers", "reliability", "months", "years", "amounts"),
        ),
        "wes",
    ),
    **dict.fromkeys(
        ("appeals", "reports", "credential-requests", "refunds", "payout-reviews", "filings"),
        "ada",
    ),
}
SIGN_IN = ("/accounts/", "/_allauth/")

REASON = {"reason_code": "wrong", "reason": "No."}
NO_EXAMPLES = {"examples-TOTAL_FORMS": "0", "examples-INITIAL_FORMS": "0"}
SAID = {"text": "Is it?"}
REPORTED = {"reason_code": "other", "text": "Look."}
RULE = {
    "name": "Many",
    "collector": "answers",
    "conditions": [{"figure": "total", "is": "GreaterThan", "to": 9}],
    "action": {"kind": "stop", "hours": 1},
}
TYPED_RULE = {
    **{"name": "Many", "collector": "answers", "kind": "stop", "hours": "1"},
    **{"figure0": "total", "is0": "GreaterThan", "to0": "9"},
}
AGGREGATOR = {"url": "https://labels.example.org/"}
LESSON = {"title": "Owls", "text": "Look."}
SESSION = {"title": "Owls", "begins_at": "2030-01-01T10:00", "ends_at": "2030-01-01T11:00", "items": 1}
ASKED = {"of": "country", "is": "EqualTo", "to": "DE"}
OFFER = {"title": "Birds", "schema": make.SCHEMA, "price_micros": 1}

# What is sent, so that only the question who asks can be what stands in the way
SENT: dict[str, Callable[[World], dict[str, Any]]] = {
    "PATCH /api/v1/me": lambda here: {"name": "X"},
    "POST /api/v1/api-keys": lambda here: {"name": "ci", "scopes": ["work"]},
    "POST /api/v1/organisations": lambda here: {"name": "Lab"},
    "POST /api/v1/organisations/%(id)s/members": lambda here: {"email": here.olga.email, "role": "owner"},
    "PATCH /api/v1/organisations/%(id)s/members/%(user_id)s": lambda here: {"role": "owner"},
    "POST /api/v1/organisations/%(id)s/prepayments": lambda here: {"amount_micros": 10_000, "currency": "USD"},
    "POST /api/v1/organisations/%(id)s/refunds": lambda here: {"amount_micros": 10_000, "currency": "USD"},
    "POST /api/v1/refunds/%(id)s/decline": lambda here: {"reason": "No."},
    "POST /api/v1/projects": lambda here: {**OFFER, "organisation": here.organisation.public_id},
    "PATCH /api/v1/projects/%(id)s": lambda here: {"title": "Birds"},
    "POST /api/v1/projects/%(id)s/guidelines": lambda here: {"text": "Look."},
    "POST /api/v1/projects/%(id)s/reopenings": lambda here: {"field": "animal", "label": "cat", "version": 0},
    "POST /api/v1/projects/%(id)s/rules": lambda here: RULE,
    "POST /api/v1/projects/%(id)s/aggregator": lambda here: AGGREGATOR,
    "POST /api/v1/top-up-proposals/%(id)s/decline": lambda here: {"reason": "They were away."},
    "POST /api/v1/rules/%(id)s/revise": lambda here: {"name": "More"},
    "POST /api/v1/projects/%(id)s/publish": lambda here: {"dataset": here.dataset.public_id},
    "POST /api/v1/datasets": lambda here: {"organisation": here.organisation.public_id, "name": "More"},
    "POST /api/v1/datasets/%(id)s/imports": lambda here: {"file": _rows(), "format": "csv"},
    "POST /api/v1/payout-account": lambda here: {"country": "US"},
    "PUT /api/v1/payout-account/schedule": lambda here: {"every": "weekly"},
    "POST /api/v1/payout-reviews/%(id)s/refuse": lambda here: {"reason": "No."},
    "POST /earnings/account/": lambda here: {"country": "US"},
    "POST /earnings/account/schedule": lambda here: {"every": "weekly"},
    "POST /api/v1/work/decisions/%(id)s/appeal": lambda here: {"statement": "It is one."},
    "POST /api/v1/work/decisions/%(id)s/statements": lambda here: {"statement": "It is one."},
    "POST /api/v1/organisations/%(id)s/decisions": lambda here: {
        **REASON,
        "kind": "deny",
        "worker": here.organisation.pseudonym(here.wes.worker.public_id),
    },
    "POST /api/v1/decisions/%(id)s/withdraw": lambda here: {"reason": "It was one."},
    "POST /api/v1/decisions/%(id)s/statements": lambda here: {"statement": "It is none."},
    "POST /api/v1/work/record/signed": lambda here: {"holder": "wrk_there"},
    "POST /api/v1/work/foreign-records": lambda here: {"document": here.document},
    "POST /api/v1/records/verify": lambda here: {"document": here.document},
    "POST /api/v1/me/erasure": lambda here: {"password": make.PASSWORD, "leave_rest": True},
    "POST /api/v1/assignments/%(id)s/heartbeat": lambda here: {"active_s": 1},
    "POST /api/v1/assignments/%(id)s/submit": lambda here: {
        "answers": [{"position": n, "value": {"animal": "cat"}} for n in range(here.batch.page_size)]
    },
    "POST /api/v1/assignments/%(id)s/check": lambda here: {"position": 0, "value": {"animal": "cat"}},
    "POST /api/v1/projects/%(id)s/lessons": lambda here: LESSON,
    "POST /api/v1/lessons/%(id)s/revise": lambda here: LESSON,
    "POST /api/v1/lessons/%(id)s/move": lambda here: {"position": 0},
    "POST /api/v1/projects/%(id)s/cohorts": lambda here: SESSION,
    "POST /api/v1/cohorts/%(id)s/invite": lambda here: {"workers": [_named(here)]},
    "POST /api/v1/cohorts/%(id)s/reveal": lambda here: {"remark": "Look."},
    "POST /api/v1/work/cohorts/%(id)s/answer": lambda here: {"position": 0, "value": {"animal": "cat"}},
    "POST /api/v1/assignments/%(id)s/skip": lambda here: {"position": 0},
    "POST /api/v1/batches/%(id)s/accept": lambda here: {"answers": [here.answer.public_id]},
    "POST /api/v1/answers/%(id)s/exclude": lambda here: REASON,
    "POST /api/v1/answers/%(id)s/reject": lambda here: REASON,
    "POST /api/v1/batches/%(id)s/gold": lambda here: {"key": _untouched(here), "truth": {"animal": "owl"}},
    "POST /api/v1/batches/%(id)s/gold/promote": lambda here: {"key": _untouched(here)},
    "PATCH /api/v1/gold/%(id)s": lambda here: {"explanation": "Look at the ears."},
    "POST /api/v1/gold/%(id)s/quarantine": lambda here: {"reason": "No."},
    "POST /api/v1/gold/%(id)s/reinstate": lambda here: {"reason": "Yes."},
    "POST /api/v1/gold/%(id)s/overturn": lambda here: {"reason": "No.", "truth": {"animal": "cat"}},
    "POST /api/v1/work/known-answers/%(id)s/contest": lambda here: {"statement": "It is a cat."},
    "PATCH /api/v1/batches/%(id)s/budget": lambda here: {"answers_micros": 10_000_000},
    "POST /api/v1/projects/%(id)s/bonuses": lambda here: _bonus(here),
    "POST /api/v1/projects/%(id)s/bonuses/many": lambda here: {"bonuses": [_bonus(here)]},
    "POST /api/v1/answers/%(id)s/pay-part": lambda here: {**REASON, "percent": 50},
    "POST /batches/%(batch)s/budget/": lambda here: {"line": "answers", "answers_micros": "10"},
    "POST /projects/%(project)s/bonuses/": lambda here: {**_bonus(here), "amount_micros": "1"},
    "POST /api/v1/appeals/%(id)s/uphold": lambda here: {"reason": "It is one."},
    "POST /api/v1/appeals/%(id)s/dismiss": lambda here: {"reason": "It is none."},
    "POST /api/v1/work/projects/%(id)s/questions": lambda here: {
        **SAID,
        "assignment": here.lease.public_id,
        "position": 0,
        "passage": "",
    },
    "POST /api/v1/work/questions/%(id)s/messages": lambda here: SAID,
    "POST /api/v1/conversations/%(id)s/messages": lambda here: SAID,
    "POST /api/v1/conversations/%(id)s/promote": lambda here: {"question": "Is it?", "answer": "It is."},
    "POST /api/v1/reports/mine": lambda here: {"reason_code": "other", "text": "", "message": here.message.public_id},
    "POST /api/v1/reports/%(id)s/settle": lambda here: {"reason": "It is.", "pause_project": True},
    "POST /api/v1/reports/%(id)s/dismiss": lambda here: {"reason": "It is not."},
    "PUT /api/v1/notices/choices": lambda here: {"choices": [{"kind": "batch", "mail": "not", "shown": True}]},
    "PATCH /api/v1/about-me": lambda here: {"said": {"gender": "man"}, "consents": True},
    "POST /about-me/": lambda here: {"age": "25_34", "consents": "on"},
    "POST /account/delete/": lambda here: {"password": make.PASSWORD, "leave_rest": "on"},
    "POST /records/verify/": lambda here: {"document": here.document, "verb": "keep"},
    "POST /work/record/signed/": lambda here: {"holder": "wrk_there"},
    "POST /organisations/%(organisation)s/members/": lambda here: {"email": here.olga.email, "role": "owner"},
    "POST /organisations/%(organisation)s/members/%(membership)s/role": lambda here: {
        f"{here.membership.pk}-role": "owner"
    },
    "PATCH /api/v1/organisations/%(id)s/billing": lambda here: {"name": "Lab AG"},
    "POST /organisations/%(organisation)s/billing/": lambda here: {"name": "Lab AG"},
    "POST /organisations/%(organisation)s/money/": lambda here: {"amount_micros": "1", "currency": "USD"},
    "POST /organisations/%(organisation)s/refunds/": lambda here: {
        "refund-amount_micros": "1",
        "refund-currency": "USD",
    },
    "POST /organisations/%(organisation)s/draft/": lambda here: TYPED,
    "POST /projects/%(project)s/edit/": lambda here: TYPED,
    "POST /projects/%(project)s/rules/new/": lambda here: TYPED_RULE,
    "POST /projects/%(project)s/aggregator/": lambda here: AGGREGATOR,
    "POST /top-up-proposals/%(proposal)s/decline": lambda here: {"reason": "They were away."},
    "POST /rules/%(rule)s/revise/": lambda here: TYPED_RULE,
    "POST /projects/%(project)s/lessons/": lambda here: LESSON,
    "POST /lessons/%(lesson)s/": lambda here: LESSON,
    "POST /projects/%(project)s/training/": lambda here: SESSION,
    "POST /cohorts/%(cohort)s/invite": lambda here: {"workers": _named(here)},
    "POST /work/cohorts/%(cohort)s/answer/%(position)s": lambda here: {"t0-animal": "cat"},
    "POST /work/assignments/%(assignment)s/check/%(position)s": lambda here: {"t0-animal": "cat"},
    "POST /projects/%(project)s/data/": lambda here: {"file": _rows()},
    "POST /projects/%(project)s/guideline/edit/": lambda here: {"text": "Look.", **NO_EXAMPLES},
    "POST /projects/%(project)s/guideline/reopen/": lambda here: {"label": "animal:cat", "version": "0"},
    "POST /projects/%(project)s/publish/now": lambda here: {"dataset": here.dataset.public_id},
    "POST /batches/%(batch)s/labels-to-look-at/review": lambda here: {"key": _key(here.done)},
    "POST /batches/%(batch)s/accept": lambda here: {"answer": here.answer.public_id},
    "POST /answers/%(answer)s/": lambda here: {**REASON, "verb": "reject"},
    "POST /work/assignments/%(assignment)s/": lambda here: {f"t{n}-animal": "cat" for n in range(here.batch.page_size)},
    "POST /decisions/%(decision)s/withdraw": lambda here: {"reason": "It was one."},
    "POST /organisations/%(organisation)s/decisions/new/": lambda here: {
        **REASON,
        "kind": "deny",
        "worker": here.organisation.pseudonym(here.wes.worker.public_id),
    },
    "POST /work/projects/%(project)s/ask/": lambda here: SAID,
    "POST /work/projects/%(project)s/report/": lambda here: REPORTED,
    "POST /work/assignments/%(assignment)s/ask/%(position)s/": lambda here: SAID,
    "POST /work/assignments/%(assignment)s/report/%(position)s/": lambda here: REPORTED,
    "POST /work/questions/%(question)s/": lambda here: SAID,
    "POST /conversations/%(conversation)s/": lambda here: SAID,
    "POST /conversations/%(conversation)s/promote/": lambda here: {"question": "Is it?", "answer": "It is."},
    "POST /messages/%(message)s/report/": lambda here: REPORTED,
    "POST /notices/choices/": lambda here: {"batch-mail": "not"},
    "POST /batches/%(batch)s/gold/": lambda here: {"key": _untouched(here), "purpose": "hidden", "t0-animal": "owl"},
    "POST /gold/%(gold)s/": lambda here: {"verb": "quarantine", "reason": "No."},
    "POST /gold/%(gold)s/explain": lambda here: {"explanation": "Look at the ears."},
    "POST /work/known-answers/%(answer)s/contest/": lambda here: {"statement": "It is a cat."},
    "POST /api/v1/organisations/%(id)s/qualifications": lambda here: {"name": "Owls"},
    "POST /api/v1/organisations/%(id)s/groups": lambda here: {"name": "Owls", "kind": "list"},
    "POST /api/v1/qualifications/%(id)s/grants": lambda here: {"grants": [{"worker": _wes(here), "score": 0.5}]},
    "POST /api/v1/qualifications/%(id)s/revoke": lambda here: {"worker": _wes(here), "reason": "No."},
    "POST /api/v1/groups/%(id)s/members": lambda here: {"workers": [_known(here, here.olga)]},
    "POST /api/v1/groups/%(id)s/remove": lambda here: {"worker": _wes(here)},
    "POST /api/v1/groups/%(id)s/invitations": lambda here: {"email": "new@example.org"},
    "PUT /api/v1/projects/%(id)s/requirement": lambda here: {"requirement": ASKED, "groups": [here.group.public_id]},
    "PUT /api/v1/projects/%(id)s/tiers": lambda here: {
        "tiers": [{"qualification": here.qualification.public_id, "price_micros": 90_000}]
    },
    "POST /api/v1/holds": lambda here: {**REASON, "worker": here.wes.worker.public_id, "days": 1},
    "PATCH /api/v1/work/profile": lambda here: {"languages": {"de": "C1"}, "country": "DE"},
    "POST /api/v1/work/credentials/%(id)s/ask": lambda here: {"statement": "I am one."},
    "POST /api/v1/credentials": lambda here: {"name": "Pilot"},
    "POST /api/v1/credential-requests/%(id)s/decline": lambda here: {"reason": "It is not yours."},
    "POST /organisations/%(organisation)s/people/": lambda here: {"name": "Owls"},
    "POST /qualifications/%(qualification)s/": lambda here: {"worker": _wes(here), "score": "0.5"},
    "POST /qualifications/%(qualification)s/revoke": lambda here: {"worker": _wes(here), "reason": "No."},
    "POST /groups/%(group)s/": lambda here: {"worker": _known(here, here.olga)},
    "POST /groups/%(group)s/remove": lambda here: {"worker": _wes(here)},
    "POST /groups/%(group)s/invite": lambda here: {"email": "new@example.org"},
    "POST /projects/%(project)s/requirement/": lambda here: {
        **{"conditions-TOTAL_FORMS": "1", "conditions-INITIAL_FORMS": "0", "conditions-0-subject": "country"},
        **{"conditions-0-comparator": "EqualTo", "conditions-0-value": "DE", "join": "all"},
    },
    "POST /projects/%(project)s/tiers": lambda here: {
        "tier0-qualification": here.qualification.public_id,
        "tier0-price_micros": "0.09",
    },
    "POST /work/profile": lambda here: {"country": "DE", "language0-code": "de", "language0-level": "C1"},
    "POST /work/credentials/%(credential)s/ask": lambda here: {"statement": "I am one."},
    "POST /api/v1/batches/%(id)s/reviews": lambda here: {"keys": [_key(here.done)]},
    "POST /api/v1/reviews/%(id)s/decide": lambda here: {"verdict": "accept"},
    "POST /reviews/%(review)s/": lambda here: {"verdict": "accept"},
    "POST /work/decisions/%(decision)s/": lambda here: {"statement": "It is one."},
}


def _bonus(here: World) -> dict[str, Any]:
    return {"worker": _named(here), "amount_micros": 1_000_000, "reason": "Well done.", "key": "june"}


def _named(here: World) -> str:
    return here.organisation.pseudonym(profiles.of(here.wes).public_id)


def _untouched(here: World) -> str:
    """The key of an item that nobody has begun."""
    task = here.batch.tasks.filter(gold=None, answers=None).order_by("pk")[0]
    return _key(task)


def _key(task: Any) -> str:
    return ItemAlias.objects.filter(item=task.item_id)[0].key


def _known(here: World, person: Any) -> str:
    return here.organisation.pseudonym(person.worker.public_id)


def _wes(here: World) -> str:
    return _known(here, here.wes)


def _rows() -> SimpleUploadedFile:
    return SimpleUploadedFile("rows.csv", b"text\none more\n")


@dataclass(frozen=True)
class Route:
    """An address with places for what it names."""

    template: str
    view: Any

    @property
    def names(self) -> list[tuple[str, str]]:
        """Each parameter with the segment before it."""
        return [(name, segment) for segment, name in re.findall(r"([\w-]*)[/.-]?%\((\w+)\)s", self.template)]

    @property
    def is_api(self) -> bool:
        return self.template.startswith("/api/")

    @property
    def whose(self) -> str:
        """The one whose row the address names; "own": the caller's own things; "open": an offer to everybody."""
        if not self.names or self.template.startswith(SIGN_IN):
            return "own"
        segment = self.names[0][1]
        offered = ("projects", "lessons", "cohorts", "credentials")
        if any(f"/work/{segment}/" in self.template for segment in offered):
            return "open"
        if segment == "decisions" and "/work/" not in self.template:
            return "rita"  # as the organisation sees it
        return WHOSE.get(segment, "rita")

    @property
    def view_class(self) -> Any:
        return getattr(self.view, "view_class", None) or getattr(self.view, "cls", None)

    def path(self, here: World) -> str:
        return self.template % {name: self.value(name, segment, here) for name, segment in self.names}

    def value(self, name: str, segment: str, here: World) -> Any:
        """What names a row that is there."""
        fill = NAMED.get(f"{segment}/{name}") or NAMED.get(segment) or NAMED.get(name)
        assert fill, f"{self.template}: say in NAMED which row {name} names"
        return fill(here)

    def sent(self, method: str, here: World) -> dict[str, Any]:
        """A body that is all right."""
        return SENT.get(f"{method} {self.template}", lambda here: {})(here)

    def has(self, method: str) -> bool:
        """Whether an endpoint of the API has this method."""
        return method.lower() in self.view_class.http_method_names and hasattr(self.view_class, method.lower())


def routes() -> list[Route]:
    """Every route of the site but the admin's."""
    return [route for route in every_route() if not route.template.startswith("/admin/")]


def every_route(node: Any = None, prefix: str = "/") -> Iterator[Route]:
    for pattern in (node or get_resolver()).url_patterns:
        forms = normalize(pattern.pattern.regex.pattern)
        assert len(forms) == 1, f"{pattern}: this route has several forms; let the walk try each"
        template = prefix + forms[0][0]
        if hasattr(pattern, "url_patterns"):
            yield from every_route(pattern, template)
        else:
            yield Route(template, pattern.callback)
