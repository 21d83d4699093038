"""Who may do what: organisations, their members, and keys for programs."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from marketplace import audit
from marketplace.core import clock
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import ApiKey, Membership, Organisation, Role, User

KEY_PREFIX = "mh_"
KEY_DAYS_MOST = 365


class AlreadyMember(Conflict):
    title = "This person is a member already"


class LastOwner(Conflict):
    title = "An organisation keeps at least one owner"


def rename(user: User, name: str) -> User:
    """Set the name that others see; it may be empty."""
    user.name = _named(name, 120, may_be_empty=True)
    user.save(update_fields=["name"])
    return user


@transaction.atomic
def found(user: User, name: str) -> Organisation:
    """Make an organisation whose owner is this user."""
    organisation = Organisation.objects.create(name=_named(name, 120))
    Membership.objects.create(organisation=organisation, user=user, role=Role.OWNER)
    audit.record(user, "found", organisation)
    return organisation


def require(user: User, organisation: Organisation, *roles: Role) -> None:
    """Raise Forbidden unless the user is a member with one of these roles, or an owner."""
    allowed = {Role.OWNER, *roles}
    if not organisation.memberships.filter(user=user, role__in=allowed).exists():
        wanted = " or ".join(role for role in Role if role in allowed)
        raise Forbidden(f"only members with the role {wanted} may do this")


@transaction.atomic
def add_member(organisation: Organisation, email: str, role: str, by: User) -> Membership:
    """Let the person who confirmed this address in, with this role."""
    _lock(organisation)
    require(by, organisation)
    _known(role)
    user = User.objects.filter(emailaddress__email__iexact=email.strip(), emailaddress__verified=True).first()
    if user is None or not user.is_active:
        raise _invalid("email", "unknown", "nobody here has confirmed this address; ask them to sign up first")
    if organisation.memberships.filter(user=user).exists():
        raise AlreadyMember
    membership = Membership.objects.create(organisation=organisation, user=user, role=role)
    audit.record(by, "add_member", organisation, user=user.pk, role=role)
    return membership


@transaction.atomic
def change_role(membership: Membership, role: str, by: User) -> Membership:
    """Give a member another role; the last owner stays one."""
    _lock(membership.organisation)
    require(by, membership.organisation)
    _known(role)
    if role != Role.OWNER:
        _keep_an_owner(membership)
    audit.record(by, "change_role", membership.organisation, user=membership.user_id, role=role)
    membership.role = role
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(membership: Membership, by: User) -> None:
    """End a membership, by an owner or the member; the last owner stays."""
    _lock(membership.organisation)
    if by != membership.user:
        require(by, membership.organisation)
    _keep_an_owner(membership)
    audit.record(by, "remove_member", membership.organisation, user=membership.user_id)
    membership.delete()


@transaction.atomic
def freeze(organisation: Organisation, by: User) -> None:
    """Stop the organisation's work at the next claim; by staff."""
    _set_frozen(organisation, by, clock.now())


@transaction.atomic
def thaw(organisation: Organisation, by: User) -> None:
    """Let the organisation's work go on; by staff."""
    _set_frozen(organisation, by, None)


@transaction.atomic
def issue_key(user: User, name: str, scopes: Sequence[str], expires_in_days: int = 90) -> tuple[ApiKey, str]:
    """Make a key for programs; its secret is returned here and nowhere else."""
    name = _named(name, 80)
    if not scopes or not set(scopes) <= set(ApiKey.Scope.values):
        raise _invalid("scopes", "option", f"choose from {', '.join(ApiKey.Scope.values)}")
    if ApiKey.Scope.ADMIN in scopes and not user.is_staff:
        raise Forbidden("only staff may have a key with the scope admin")
    if not 1 <= expires_in_days <= KEY_DAYS_MOST:
        raise _invalid("expires_in_days", "range", f"must lie between 1 and {KEY_DAYS_MOST}")
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        digest=_digest(secret),
        scopes=sorted(set(scopes)),
        expires_at=clock.now() + timedelta(days=expires_in_days),
    )
    audit.record(user, "issue_key", key, scopes=key.scopes)
    return key, secret


@transaction.atomic
def revoke_key(key: ApiKey, by: User) -> None:
    """Make a key useless from now on; again changes nothing."""
    if by != key.user and not by.is_staff:
        raise Forbidden("this key belongs to someone else")
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now()):
        audit.record(by, "revoke_key", key)


def key_owner(secret: str) -> ApiKey | None:
    """The key with this secret and its user, while both may be used."""
    keys = ApiKey.objects.select_related("user").filter(revoked_at=None, expires_at__gt=Now(), user__is_active=True)
    return keys.filter(digest=_digest(secret)).first()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _lock(organisation: Organisation) -> None:
    """One change of members at a time, so that two owners cannot remove each other."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)


def _keep_an_owner(membership: Membership) -> None:
    others = membership.organisation.memberships.exclude(pk=membership.pk)
    if not others.filter(role=Role.OWNER).exists():
        raise LastOwner


def _set_frozen(organisation: Organisation, by: User, at: Any) -> None:
    if not by.is_staff:
        raise Forbidden
    organisation.frozen_at = at
    organisation.save(update_fields=["frozen_at"])
    audit.record(by, "freeze" if at else "thaw", organisation)


def _named(name: str, longest: int, may_be_empty: bool = False) -> str:
    name = name.strip()
    if text_error(name) or len(name) > longest or not (name or may_be_empty):
        raise _invalid("name", "length", f"must be a text of 1 to {longest} characters")
    return name


def _known(role: str) -> None:
    if role not in Role.values:
        raise _invalid("role", "option", f"must be one of {', '.join(Role.values)}")


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])
