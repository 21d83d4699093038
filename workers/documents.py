"""Records that workers take with them: signed here, or verified here and signed elsewhere."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from django.conf import settings
from django.db import transaction

from marketplace import audit
from marketplace.core import clock, ids, signing
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.signing import NotVerified
from workers.models import ForeignRecord, Worker

KIND = "manyhands-record+jws"
VERSION = 1
HOLDER_MOST = 80
TEXT_MOST = 200  # of an issuer's address

Claims = signing.Claims


class Work(msgspec.Struct):
    handed_in: int
    accepted: int
    rejected: int


class Accuracy(msgspec.Struct):
    accuracy: float
    accuracy_p05: float
    accuracy_p95: float
    judged: float


class Accuracies(msgspec.Struct):
    overall: Accuracy | None
    by_kind_of_work: dict[str, Accuracy]


class Facts(msgspec.Struct):
    """What a record of VERSION says at least; what else it says is shown to nobody as more than text."""

    version: Literal[1]
    work: Work
    accuracy: Accuracies
    organisations: list[str]
    decisions: list[dict[str, Any]]
    grants: list[dict[str, Any]]


class NoSigningKey(Conflict):
    title = "This site signs no records"


class NotYours(Conflict):
    title = "This record does not name you as its holder here"


def sign(worker: Worker, facts: dict[str, Any], holder: str = "") -> str:
    """The facts as a document that another site can verify: who says them, of whom, since when and until when.

    holder  the worker's id at the site it is meant for; only there, and only by them, can it be kept
    raises  NoSigningKey, Invalid
    """
    if settings.RECORD_SIGNING_KEY is None:
        raise NoSigningKey("the operator has set no RECORD_SIGNING_KEY")
    if len(holder) > HOLDER_MOST:
        raise Invalid(f"an id has at most {HOLDER_MOST} characters")
    at = clock.now()
    claims: Claims = {
        "iss": settings.SITE_URL,
        "sub": worker.public_id,
        "jti": ids.new("rec"),
        "iat": int(at.timestamp()),
        "exp": int((at + timedelta(days=settings.RECORD_VALID_DAYS)).timestamp()),
        "record": {"version": VERSION, **facts},
    }
    if holder:
        claims["holder"] = holder
    document = signing.sign(claims, settings.RECORD_SIGNING_KEY, KIND)
    if len(document.encode()) > signing.MOST_BYTES:
        raise Invalid("this record is too long; choose fewer organisations")
    audit.record(worker.user, "sign_record", worker, document=claims["jti"])
    return document


def own_keys() -> list[signing.Jwk]:
    """The public keys of this site: the one that signs, then those that did before."""
    current = settings.RECORD_SIGNING_KEY
    return [*([signing.jwk(current.public_key())] if current else []), *settings.RECORD_OLD_KEYS]


def verify(document: str) -> Claims:
    """What a record says, once an issuer that this site trusts, or this site, signed it and it is still valid.

    raises  NotVerified
    """
    return checked(document, {**settings.TRUSTED_RECORD_ISSUERS, settings.SITE_URL: own_keys()})


def checked(document: str, trusted: signing.Keys) -> Claims:
    """The same with these keys, of these issuers."""
    claims = signing.verify(document.strip(), trusted, KIND, clock.now())
    texts = [claims["iss"], claims["sub"], claims["jti"], claims.get("holder", "")]
    try:
        msgspec.convert(claims.get("record"), Facts)
    except msgspec.ValidationError as error:
        raise NotVerified(f"it is no record of version {VERSION}: {error}") from error
    if not all(isinstance(text, str) and len(text) <= TEXT_MOST for text in texts):
        raise NotVerified("it does not say in a few words who issued it, and of whom")
    return claims


def told(claims: Claims) -> dict[str, Any]:
    """What a verified record says, and in plain words what was verified."""
    issued, expires = (datetime.fromtimestamp(claims[name], UTC) for name in ("iat", "exp"))
    said = (
        f"{claims['iss']} signed this on {issued:%Y-%m-%d} about its worker {claims['sub']}, and nothing in it was "
        f"changed since. It is valid until {expires:%Y-%m-%d}. That the figures are right is the word of "
        f"{claims['iss']}; who the worker is, it does not say."
    )
    return {
        "said": said,
        "issuer": claims["iss"],
        "subject": claims["sub"],
        "holder": claims.get("holder", ""),
        "issued_at": issued,
        "expires_at": expires,
        "record": claims["record"],
    }


@transaction.atomic
def keep(worker: Worker, document: str) -> ForeignRecord:
    """Keep a record from elsewhere with this worker; again: the same row.

    raises  NotVerified, NotYours, Invalid (it is from here)
    """
    claims = verify(document)
    if claims["iss"] == settings.SITE_URL:
        raise Invalid("this record is from here; it is in your record already")
    if claims.get("holder") != worker.public_id:
        raise NotYours(f"have it issued with your id here, {worker.public_id}, so that nobody else can use it")
    if max(len(claims["sub"]), len(claims["jti"])) > HOLDER_MOST:
        raise NotVerified("its ids are too long")
    kept, is_new = ForeignRecord.objects.get_or_create(
        worker=worker,
        issuer=claims["iss"],
        document_id=claims["jti"],
        defaults={
            "subject": claims["sub"],
            "facts": claims["record"],
            "issued_at": datetime.fromtimestamp(claims["iat"], UTC),
            "verified_at": clock.now(),
            "expires_at": datetime.fromtimestamp(claims["exp"], UTC),
        },
    )
    if is_new:
        audit.record(worker.user, "keep_record", kept)
    return kept


def forget(worker: Worker) -> None:
    """Blank what other sites said of this worker; the rows stay."""
    for kept in ForeignRecord.objects.filter(worker=worker):
        kept.issuer, kept.subject, kept.document_id, kept.facts = "", "", str(kept.pk), {}
        kept.save(update_fields=["issuer", "subject", "document_id", "facts"])
