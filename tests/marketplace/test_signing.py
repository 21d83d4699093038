"""Signed documents: what is believed, and every way in which they are forged."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from marketplace.core import signing
from marketplace.core.signing import NotVerified

KEY = signing.derived("ours")
THEIRS = signing.derived("theirs")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KIND = "thing+jws"
HOME = "https://a.example"
TRUSTED = {HOME: [signing.jwk(KEY.public_key())]}
CLAIMS = {
    "iss": HOME,
    "sub": "wrk_1",
    "jti": "rec_1",
    "iat": int(NOW.timestamp()),
    "exp": int((NOW + timedelta(days=1)).timestamp()),
    "n": 3,
}


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def refused(document: str, at: datetime = NOW, trusted: signing.Keys = TRUSTED) -> str:
    with pytest.raises(NotVerified) as caught:
        signing.verify(document, trusted, KIND, at)
    return caught.value.detail


def signed(**changes: object) -> str:
    return signing.sign({**CLAIMS, **changes}, KEY, KIND)


def test_what_was_signed_is_read_again():
    assert signing.verify(signed(), TRUSTED, KIND, NOW) == CLAIMS


def test_a_changed_payload_is_refused():
    head, _, signature = signed().split(".")
    assert "changed" in refused(".".join([head, part({**CLAIMS, "n": 4}), signature]))


def test_a_changed_head_is_refused():
    document = signed()
    _, payload, signature = document.split(".")
    head = {**jwt.get_unverified_header(document), "more": 1}
    assert "changed" in refused(".".join([part(head), payload, signature]))


def test_another_key_under_the_same_name_is_refused():
    head = {"kid": TRUSTED[HOME][0]["kid"], "typ": KIND}
    assert "changed" in refused(jwt.encode(CLAIMS, THEIRS, "EdDSA", head))


def test_a_key_that_is_not_known_is_refused():
    assert "does not know" in refused(signing.sign(CLAIMS, THEIRS, KIND))


def test_the_key_of_one_issuer_signs_nothing_for_another():
    trusted = {**TRUSTED, "https://b.example": [signing.jwk(THEIRS.public_key())]}
    assert "does not know" in refused(signing.sign(CLAIMS, THEIRS, KIND), trusted=trusted)


def test_an_issuer_that_is_not_trusted_is_refused():
    assert "not one that this site trusts" in refused(signed(iss="https://b.example"))


def test_no_signature_is_refused():
    head = {"alg": "none", "typ": KIND, "kid": TRUSTED[HOME][0]["kid"]}
    assert "EdDSA" in refused(f"{part(head)}.{part(CLAIMS)}.")


def test_the_public_key_as_a_shared_secret_is_refused():
    raw = KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    for algorithm in ("HS256", "HS512"):
        forged = jwt.encode(CLAIMS, raw.ljust(64, b"\0"), algorithm, {"kid": TRUSTED[HOME][0]["kid"], "typ": KIND})
        assert "EdDSA" in refused(forged)


def test_a_key_within_the_document_is_not_asked():
    head = {"kid": "own", "typ": KIND, "jwk": signing.jwk(THEIRS.public_key()), "jku": "https://b.example/keys"}
    assert "does not know" in refused(jwt.encode(CLAIMS, THEIRS, "EdDSA", head))


def test_a_document_of_another_kind_is_refused():
    assert "kind" in refused(signing.sign(CLAIMS, KEY, "JWT"))


def test_times_are_the_ones_passed_in():
    document = signed()
    assert "expired" in refused(document, NOW + timedelta(days=1))
    assert "future" in refused(document, NOW - timedelta(minutes=2))
    assert signing.verify(document, TRUSTED, KIND, NOW - timedelta(seconds=30))["n"] == 3
    for wrong in (True, "1", 1.5, None):
        assert refused(signed(exp=wrong) if wrong is not None else signed(iat=None))


def test_what_is_left_out_is_refused():
    for name in ("iss", "sub", "jti", "iat", "exp"):
        claims = {key: value for key, value in CLAIMS.items() if key != name}
        assert refused(signing.sign(claims, KEY, KIND))


def test_what_is_too_long_is_not_read():
    assert "longer" in refused("a" * (signing.MOST_BYTES + 1))


@pytest.mark.parametrize("document", ["", "a", "a.b.c", "..", "é.é.é", f"{part([])}.{part([])}.", "\0", "a.b.c.d.e"])
def test_what_is_no_document_is_refused(document):
    assert refused(document)


def test_keys_are_read_as_people_write_them():
    seed = KEY.private_bytes_raw()
    pem = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for text in (
        pem,
        pem.replace("\n", "\\n"),
        base64.b64encode(seed).decode(),
        base64.urlsafe_b64encode(seed).decode(),
    ):
        assert signing.private_key(text).private_bytes_raw() == seed


def test_other_keys_are_refused():
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for text in (other.decode(), "-----BEGIN nonsense", "c2hvcnQ=", "not base64!"):
        with pytest.raises(ValueError, match=r".+"):
            signing.private_key(text)


def test_a_public_file_with_a_secret_key_is_refused():
    public = signing.jwk(KEY.public_key())
    assert signing.keys_of({"keys": [public]}) == [public]
    for wrong in ({**public, "d": "x"}, {**public, "kty": "RSA"}, {**public, "kid": ""}, {**public, "x": "eA"}, "x"):
        with pytest.raises(ValueError, match=r".+"):
            signing.keys_of({"keys": [wrong]})
    for wrong in ([], {}, {"keys": {}}):
        with pytest.raises(ValueError, match=r".+"):
            signing.trusted_of({HOME: wrong})


def test_a_key_is_named_by_its_thumbprint():
    """The example of RFC 8037, appendix A."""
    raw = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    assert signing.jwk(Ed25519PrivateKey.from_private_bytes(raw).public_key()) == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        "alg": "EdDSA",
        "use": "sig",
    }
