"""The people of a demo. They are signed up by the same verbs the site uses; everything they do then goes over HTTP."""

from collections.abc import Iterable

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.utils.crypto import salted_hmac

from marketplace import accounts
from marketplace.core.ids import ALPHABET
from marketplace.models import ApiKey, Project, User
from workers.models import Worker

RITA, WES, ADMIN = ("Rita", "rita"), ("Wes", "wes"), ("Ada", "admin")
DOMAIN = "demo.example"
KEY = "simulated crowd"


def principals() -> list[tuple[User, tuple[str, ...]]]:
    """Rita who requests, Wes who works and an admin, all with a password, and what their keys may do."""
    return [
        (person(*RITA, has_password=True), (ApiKey.Scope.OFFER,)),
        (person(*WES, has_password=True), (ApiKey.Scope.WORK,)),
        (person(*ADMIN, has_password=True, is_admin=True), (ApiKey.Scope.ADMIN,)),
    ]


def sign_ins() -> list[tuple[str, str, str]]:
    """Who they are, their address and their password."""
    roles = {RITA: "who requests", WES: "who works", ADMIN: "who settles disputes"}
    return [(f"{name}, {roles[name, local]}", f"{local}@{DOMAIN}", password(local)) for name, local in roles]


@transaction.atomic
def person(name: str, local: str, *, has_password: bool = False, is_admin: bool = False) -> User:
    """The person of this address, signed up and confirmed, today as on every other day."""
    email = f"{local}@{DOMAIN}"
    user = User.objects.filter(email=email).first() or User.objects.create_user(email, name=name)
    if has_password and not user.check_password(password(local)):
        user.set_password(password(local))
    user.is_staff = user.is_superuser = is_admin
    user.save()
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    return user


def password(local: str) -> str:
    """What this person signs in with: the same in this installation for ever, unknown in any other."""
    digest = salted_hmac("demo", local, secret=settings.SECRET_KEY, algorithm="sha256").digest()
    letters = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:12])
    return "-".join((local, letters[:6], letters[6:]))


@transaction.atomic
def key(user: User, *scopes: str) -> str:
    """The secret of a fresh key; the key of the last run is revoked, for nobody has its secret any more."""
    for old in ApiKey.objects.filter(user=user, name=KEY, revoked_at=None):
        accounts.revoke_key(old, user)
    return accounts.issue_key(user, KEY, scopes, expires_in_days=2)[1]


def pseudonyms(project: str, users: Iterable[User]) -> dict[str, int]:
    """Those of these people who have worked, by the names under which the project's organisation knows them."""
    organisation = Project.objects.get(public_id=project).organisation
    workers = Worker.objects.filter(user__in=list(users)).values_list("public_id", "user")
    return {organisation.pseudonym(public_id): user for public_id, user in workers}
