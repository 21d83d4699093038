"""Small signed documents: JWS with Ed25519 alone, keys by their thumbprint. Knows nothing of what is signed."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from marketplace.core.errors import Invalid

ALGORITHM = "EdDSA"  # the only one: what a document says of itself is compared with it and never followed
MOST_BYTES = 65_536
LEEWAY_S = 60  # clocks of two sites differ
REQUIRED = ["iss", "sub", "jti", "iat", "exp"]

Claims = dict[str, Any]
Jwk = dict[str, str]
Keys = Mapping[str, list[Jwk]]  # issuer -> the public keys it is trusted to sign with


class NotVerified(Invalid):
    title = "This document is not verified"


def private_key(text: str) -> Ed25519PrivateKey:
    r"""The key that a setting names: PEM (its line ends may be written `\n`), or the 32 bytes of a seed in base64.

    raises  ValueError
    """
    if text.startswith("-----BEGIN"):
        try:
            key = serialization.load_pem_private_key(text.replace("\\n", "\n").encode(), None)
        except (TypeError, UnsupportedAlgorithm) as error:  # a password, or a curve of another kind
            raise ValueError(str(error)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("it is no Ed25519 key")
        return key
    try:
        return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text, altchars=b"-_", validate=True))
    except binascii.Error as error:
        raise ValueError("it is neither PEM nor base64") from error


@lru_cache(maxsize=8)
def derived(secret: str) -> Ed25519PrivateKey:
    """A key of this site's own, always the same for the same secret."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"manyhands signed record")
    return Ed25519PrivateKey.from_private_bytes(kdf.derive(secret.encode()))


def shared_secret(secret: str, whose: str) -> str:
    """A secret to share with one other, always the same for the same two texts, and so kept nowhere."""
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"manyhands shared secret " + whose.encode())
    return "mhs_" + _base64url(kdf.derive(secret.encode()))


def jwk(key: Ed25519PublicKey) -> Jwk:
    """The public key as JWKS has it, named by its thumbprint (RFC 7638)."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    bare = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
    thumbprint = hashlib.sha256(json.dumps(bare, separators=(",", ":")).encode()).digest()
    return {**bare, "kid": _base64url(thumbprint), "alg": ALGORITHM, "use": "sig"}


def public_key(known: Mapping[str, Any]) -> Ed25519PublicKey:
    """The key of a JWK; ValueError for one of another kind."""
    if known.get("kty") != "OKP" or known.get("crv") != "Ed25519" or "d" in known:
        raise ValueError("expected a public Ed25519 key: kty OKP, crv Ed25519, x, and no d")
    if not (isinstance(known.get("kid"), str) and known["kid"]):
        raise ValueError("a key needs its kid")
    try:
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{known.get('x', '')}=="))
    except binascii.Error as error:
        raise ValueError("x is not base64") from error


def keys_of(jwks: Any) -> list[Jwk]:
    """The public keys of a JWKS document; ValueError unless all are Ed25519 and named."""
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise ValueError('expected {"keys": [...]}')
    for key in jwks["keys"]:
        public_key(key if isinstance(key, dict) else {})
    return list(jwks["keys"])


def trusted_of(issuers: Any) -> dict[str, list[Jwk]]:
    """The keys of each issuer, from an object of issuer -> JWKS; ValueError for anything else."""
    if not isinstance(issuers, dict):
        raise ValueError('expected {"https://issuer.example": {"keys": [...]}}')
    return {str(issuer).rstrip("/"): keys_of(jwks) for issuer, jwks in issuers.items()}


def sign(claims: Claims, key: Ed25519PrivateKey, kind: str) -> str:
    """The document in three parts with dots between; `kind` says in its head what it is."""
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": jwk(key.public_key())["kid"], "typ": kind})


def verify(document: str, trusted: Keys, kind: str, at: datetime) -> Claims:
    """What the document says, once a trusted key of the issuer it names has signed all of it and it has not expired.

    raises  NotVerified  with the one reason, in words
    """
    head, named = _read(document)
    if head.get("alg") != ALGORITHM or head.get("typ") != kind:
        raise NotVerified(f"expected a document of the kind {kind}, signed with {ALGORITHM}")
    issuer = named.get("iss")
    if not isinstance(issuer, str) or issuer not in trusted:
        raise NotVerified("its issuer is not one that this site trusts")
    known = next((key for key in trusted[issuer] if key["kid"] == head.get("kid")), None)
    if known is None:
        raise NotVerified("it was signed with a key that this site does not know")
    options: Any = {"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        claims = jwt.decode(
            document, public_key(known), algorithms=[ALGORITHM], issuer=issuer, options={**options, "verify_aud": False}
        )
    except jwt.InvalidTokenError as error:
        raise NotVerified("it was changed after it was signed, or is incomplete") from error
    _check_times(claims, at)
    return dict(claims)


def _read(document: str) -> tuple[Claims, Claims]:
    """Head and claims as they stand there, believed in nothing."""
    if len(document.encode()) > MOST_BYTES:
        raise NotVerified(f"it is longer than {MOST_BYTES} bytes")
    try:
        parts = jwt.decode_complete(document, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise NotVerified("it is not a signed document") from error
    if not isinstance(parts["payload"], dict):
        raise NotVerified("it is not a signed document")
    return dict(parts["header"]), parts["payload"]


def _check_times(claims: Claims, at: datetime) -> None:
    """By the time given: the database's, as everywhere."""
    issued, expires = claims["iat"], claims["exp"]
    if not all(type(moment) is int for moment in (issued, expires)):
        raise NotVerified("it does not say when it was issued and expires")
    if issued > at.timestamp() + LEEWAY_S:
        raise NotVerified("it was issued in the future")
    if expires <= at.timestamp():
        raise NotVerified("it has expired")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
