"""Records that workers take with them."""

import json

import pytest
from django.core.management import CommandError, call_command

from marketplace.core import signing
from marketplace.core.errors import Invalid
from marketplace.core.signing import NotVerified
from tests import make
from workers import documents, profiles
from workers.documents import NoSigningKey, NotYours
from workers.models import ForeignRecord, Worker

pytestmark = pytest.mark.django_db

ELSEWHERE = "https://other.example"
THEIRS = signing.derived("another site")
FACTS = {
    "work": {"handed_in": 12, "accepted": 10, "rejected": 1},
    "accuracy": {"overall": None, "by_kind_of_work": {}},
    "organisations": [],
    "decisions": [],
    "grants": [],
}


@pytest.fixture
def worker(wes) -> Worker:
    return profiles.of(wes)


def from_elsewhere(settings, subject: Worker, *, holder: str = "", **facts) -> str:
    """A record that another site signed, which the operator of this one trusts."""
    here = settings.SITE_URL, settings.RECORD_SIGNING_KEY
    settings.SITE_URL, settings.RECORD_SIGNING_KEY = ELSEWHERE, THEIRS
    document = documents.sign(subject, {**FACTS, **facts}, holder)
    settings.SITE_URL, settings.RECORD_SIGNING_KEY = here
    settings.TRUSTED_RECORD_ISSUERS = {ELSEWHERE: [signing.jwk(THEIRS.public_key())]}
    return document


def test_a_record_says_who_signed_it_of_whom_and_until_when(worker, settings):
    settings.RECORD_VALID_DAYS = 30
    claims = documents.verify(documents.sign(worker, FACTS))
    assert (claims["iss"], claims["sub"]) == (settings.SITE_URL, worker.public_id)
    assert claims["exp"] - claims["iat"] == 30 * 86400
    assert claims["record"] == {"version": 1, **FACTS}
    assert settings.SITE_URL in documents.told(claims)["said"]


def test_a_record_says_nothing_of_the_person(worker):
    document = documents.sign(worker, FACTS)
    text = str(documents.verify(document))
    assert worker.user.email not in text
    assert worker.user.name not in text
    assert worker.user.public_id not in text


def test_without_a_key_nothing_is_signed(worker, settings):
    settings.RECORD_SIGNING_KEY = None
    with pytest.raises(NoSigningKey):
        documents.sign(worker, FACTS)
    assert documents.own_keys() == []


def test_records_of_a_key_that_was_replaced_still_verify(worker, settings):
    document, old = documents.sign(worker, FACTS), signing.jwk(settings.RECORD_SIGNING_KEY.public_key())
    settings.RECORD_SIGNING_KEY = signing.derived("the next key")
    with pytest.raises(NotVerified):
        documents.verify(document)
    settings.RECORD_OLD_KEYS = [old]
    assert documents.verify(document)["sub"] == worker.public_id
    assert len(documents.own_keys()) == 2


def test_a_record_from_elsewhere_is_kept_once_with_its_holder(worker, settings):
    there = profiles.of(make.user("someone"))
    document = from_elsewhere(settings, there, holder=worker.public_id)
    kept = documents.keep(worker, document)
    assert documents.keep(worker, f"\n{document}\n") == kept
    assert (kept.issuer, kept.subject, kept.facts["work"]["accepted"]) == (ELSEWHERE, there.public_id, 10)
    assert kept.expires_at > kept.verified_at >= kept.issued_at


def test_nobody_keeps_a_record_of_somebody_else(worker, settings):
    for holder in ("", profiles.of(make.user("sam")).public_id):
        document = from_elsewhere(settings, worker, holder=holder)
        assert documents.verify(document)["iss"] == ELSEWHERE
        with pytest.raises(NotYours):
            documents.keep(worker, document)
    assert not ForeignRecord.objects.exists()


def test_a_record_from_here_is_not_kept_again(worker):
    with pytest.raises(Invalid, match="from here"):
        documents.keep(worker, documents.sign(worker, FACTS, worker.public_id))


def test_a_site_that_the_operator_does_not_trust_is_not_believed(worker, settings):
    document = from_elsewhere(settings, worker, holder=worker.public_id)
    settings.TRUSTED_RECORD_ISSUERS = {}
    with pytest.raises(NotVerified):
        documents.keep(worker, document)


def test_a_trusted_site_signs_nothing_in_the_name_of_this_one(worker, settings):
    from_elsewhere(settings, worker)
    key = settings.RECORD_SIGNING_KEY
    settings.RECORD_SIGNING_KEY = THEIRS
    forged = documents.sign(worker, FACTS)
    settings.RECORD_SIGNING_KEY = key
    with pytest.raises(NotVerified):
        documents.verify(forged)


@pytest.mark.parametrize(
    "facts",
    [
        {"work": None},
        {"work": {"handed_in": "many", "accepted": 1, "rejected": 0}},
        {"accuracy": {"overall": {"accuracy": "high"}, "by_kind_of_work": {}}},
        {"organisations": "all"},
        {"version": 2},
    ],
)
def test_what_is_no_record_is_refused_whoever_signed_it(worker, settings, facts):
    with pytest.raises(NotVerified, match="version 1"):
        documents.verify(from_elsewhere(settings, worker, **facts))


def test_too_long_a_record_is_not_signed(worker):
    with pytest.raises(Invalid, match="too long"):
        documents.sign(worker, {**FACTS, "organisations": ["x" * 70_000]})


def test_the_command_verifies_a_file(worker, settings, tmp_path, capsys):
    path, keys = tmp_path / "record.jws", tmp_path / "keys.json"
    path.write_text(from_elsewhere(settings, worker) + "\n")
    call_command("verify_record", str(path))
    assert ELSEWHERE in capsys.readouterr().out
    settings.TRUSTED_RECORD_ISSUERS = {}
    with pytest.raises(CommandError, match="not verified"):
        call_command("verify_record", str(path))
    keys.write_text(json.dumps({"keys": [signing.jwk(THEIRS.public_key())]}))
    call_command("verify_record", str(path), key=str(keys))
    assert '"accepted": 10' in capsys.readouterr().out
    path.write_text(path.read_text().replace(".", ".A", 1))
    with pytest.raises(CommandError, match="not verified"):
        call_command("verify_record", str(path), key=str(keys))
