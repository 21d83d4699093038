"""Who may do what: organisations, their members, and keys for programs."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now

from marketplace import audit
from marketplace.core import clock, jobs
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.core.models import Reply
from marketplace.core.strictjson import text_error
from marketplace.models import ApiKey, Membership, Organisation, Role, User

KEY_PREFIX = "mh_"
KEY_DAYS_MOST = 365
REASON_MOST = 5_000
SESSIONS_STEP = 10_000


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
def freeze(organisation: Organisation, by: User | None, reason: str = "") -> None:
    """Stop the organisation's work at the next claim; by staff with a reason, or by the site itself (None)."""
    _set_frozen(organisation, by, clock.now(), reason)


@transaction.atomic
def thaw(organisation: Organisation, by: User, reason: str) -> None:
    """Let the organisation's work go on; by staff, with a reason that is kept in the history."""
    _set_frozen(organisation, by, None, reason)


def refuse_frozen(organisation_id: int) -> None:
    """Raise Forbidden where an organisation is frozen, as the database has it now: no money of its may leave."""
    if Organisation.objects.filter(pk=organisation_id, frozen_at__isnull=False).exists():
        raise Forbidden("the organisation is frozen; an admin decides what becomes of its money")


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


@transaction.atomic
def erase(user: User) -> bool:
    """Scrub the person from their rows for good and end every way in; False where that was done before.

    Keys stay, so that what rests on them stands. Whether it may be done, `tasks.erasure` decides.
    """
    user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
    if user.erased_at:
        return False
    audit.record(user, "erase", user)
    _forget_in_admin_log(user)
    for model in (model for model in apps.get_models() if model.__module__.startswith("allauth.")):
        for field in (field for field in model._meta.fields if field.related_model is User):
            model._default_manager.filter(**{field.name: user}).delete()  # addresses, and whatever else signs in
    Reply.objects.filter(user=user).delete()
    user.memberships.all().delete()
    at = clock.now()
    user.api_keys.filter(revoked_at=None).update(revoked_at=at)
    user.api_keys.update(name="")
    user.groups.clear()
    user.user_permissions.clear()
    user.email, user.name, user.last_login, user.erased_at = f"{user.public_id}@erased.invalid", "", None, at
    user.is_active = user.is_staff = user.is_superuser = False
    user.set_unusable_password()
    user.save()
    jobs.enqueue("marketplace.jobs.end_sessions", user.pk)
    return True


def end_sessions(user_pk: int, since: str = "", limit: int = SESSIONS_STEP) -> str:
    """Delete the sessions of a person who is gone, which hold the address they signed in with, among so many.

    since    when the first to look at expires
    returns  where to go on; "": all were looked at
    """
    sessions = Session.objects.filter(**({"expire_date__gte": since} if since else {})).order_by("expire_date", "pk")
    looked_at = list(sessions[:limit])
    theirs = [one.pk for one in looked_at if one.get_decoded().get(SESSION_KEY) == str(user_pk)]
    Session.objects.filter(pk__in=theirs).delete()
    last = looked_at[-1].expire_date.isoformat() if len(looked_at) == limit else ""
    return last if last != since else ""


def _forget_in_admin_log(user: User) -> None:
    """The admin's log repeats what a row was called; an address stands there as the name of its row."""
    for text in {user.email, user.name, *user.emailaddress_set.values_list("email", flat=True)} - {""}:  # type: ignore[attr-defined]
        LogEntry.objects.filter(object_repr__icontains=text).update(object_repr=user.public_id)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _lock(organisation: Organisation) -> None:
    """One change of members at a time, so that two owners cannot remove each other."""
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)


def _keep_an_owner(membership: Membership) -> None:
    others = membership.organisation.memberships.exclude(pk=membership.pk)
    if not others.filter(role=Role.OWNER).exists():
        raise LastOwner


def _set_frozen(organisation: Organisation, by: User | None, at: Any, reason: str) -> None:
    if by and not by.is_staff:
        raise Forbidden
    reason = reason.strip()
    if (by and not reason) or text_error(reason) or len(reason) > REASON_MOST:
        raise _invalid("reason", "length", f"must be a text of 1 to {REASON_MOST} characters")
    organisation.frozen_at = at
    organisation.save(update_fields=["frozen_at"])
    audit.record(by, "freeze" if at else "thaw", organisation, reason=reason)


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
