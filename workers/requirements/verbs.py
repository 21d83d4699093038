"""Setting a requirement, and asking who meets it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models.query import RawQuerySet

from marketplace import accounts, audit
from marketplace.core import clock, statements
from marketplace.core.errors import IllegalMove, Invalid
from marketplace.labels.errors import Error
from marketplace.models import Project, Role, User
from workers.models import Audience, Group, Worker
from workers.requirements import compiling
from workers.requirements.checking import check
from workers.requirements.subjects import condition, parts
from workers.requirements.wording import Words

# Those in a group for which the project is
AMONG_ALL = """w.id IN (SELECT m.worker_id FROM workers_audience a JOIN workers_groupmember m ON m.group_id = a.group_id
    WHERE a.project_id = %(project)s AND a.ended_at IS NULL AND m.removed_at IS NULL)"""
UNSAID = {
    "language": "Say on your profile which languages you speak, and how well.",
    "country": "Say on your profile in which country you live.",
    "approved_share": "Too few of your answers are decided for good to know this. It does not keep you out.",
}


@dataclass(frozen=True)
class Line:
    """One sentence of a requirement, and how a worker stands to it: met, missing or unknown, with what that means."""

    text: str
    state: str
    note: str = ""
    is_in_the_way: bool = False


@transaction.atomic
def require(project: Project, by: User, expression: Any, groups: Sequence[str] = ()) -> Project:
    """Say who may work in a project: those who meet an expression (None: everybody), of these groups alone if any.

    Leases that are out stay; the next claim asks anew.
    raises  Invalid with each error and its path, Forbidden
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    project.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
    if project.state == Project.State.CLOSED:
        raise IllegalMove("a closed project stays as it is", state=str(project.state))
    errors = [] if expression is None else [one.under("requirement") for one in check(expression, project.organisation)]
    found = list(Group.objects.of_organisation(project.organisation).filter(public_id__in=groups))
    there = {group.public_id for group in found}
    errors += [
        Error(f"groups[{n}]", "not-found", "there is no such group here")
        for n, public_id in enumerate(groups)
        if public_id not in there
    ]
    if errors:
        raise Invalid("the requirement is not valid", errors=[asdict(error) for error in errors])
    _set_groups(project, found)
    project.requirement, project.is_private = expression, bool(found)
    project.save(update_fields=["requirement", "is_private"])
    audit.record(by, "require", project, requirement=expression, groups=sorted(there))
    return project


def _set_groups(project: Project, groups: list[Group]) -> None:
    at = clock.now()
    kept = Audience.objects.filter(project=project, ended_at=None)
    kept.exclude(group__in=groups).update(ended_at=at)
    before = set(kept.values_list("group", flat=True))
    Audience.objects.bulk_create(
        Audience(project=project, group=group, since=at) for group in groups if group.pk not in before
    )


def meets(worker: int, organisation: int, text: str) -> bool:
    """Whether a worker meets a requirement of this organisation's, as JSON; one statement, planned once."""
    compiled = compiling.of_text(text)
    values = {**compiled.values, **compiling.given(organisation), "worker": worker}
    return statements.rows(f"SELECT {compiled.sql} FROM workers_worker w WHERE w.id = %(worker)s", values)[0][0] is True


def lines(worker: Worker, project: Project) -> list[Line]:
    """Each part of a project's requirement in words, and how this worker stands to it."""
    if project.requirement is None:
        return []
    compiled = compiling.compile(project.requirement)
    sql = f"SELECT {', '.join(compiled.leaves)} FROM workers_worker w WHERE w.id = %(worker)s"
    with connection.cursor() as cursor:
        cursor.execute(sql, {**compiled.values, **compiling.given(project.organisation_id), "worker": worker.pk})
        known = iter(cursor.fetchone())
    words = Words(project.requirement)
    return [_line(node, words, known) for node in _top(project.requirement)]


def missing(worker: Worker, project: Project) -> list[str]:
    """What keeps this worker from a project, in sentences with what to do about it; empty: nothing."""
    return [f"{line.text}. {line.note}".strip() for line in lines(worker, project) if line.is_in_the_way]


def describe(expression: dict[str, Any] | None) -> list[str]:
    """A requirement in plain sentences, for workers."""
    if expression is None:
        return []
    words = Words(expression)
    return [f"{words.of(node)}." for node in _top(expression)]


def qualifying(project: Project) -> "RawQuerySet[Worker]":
    """The workers who may be offered this project's work, in one query."""
    where, values = _who(project)
    return Worker.objects.raw(f"SELECT w.* FROM workers_worker w WHERE {where}", values)


def how_many(project: Project) -> int:
    """How many workers may be offered this project's work."""
    where, values = _who(project)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM workers_worker w WHERE {where}", values)
        return cursor.fetchone()[0]


def _who(project: Project) -> tuple[str, dict[str, Any]]:
    wanted, values = ["w.state = 'active'"], {"project": project.pk, **compiling.given(project.organisation_id)}
    if project.is_private:
        wanted.append(AMONG_ALL)
    if project.requirement is not None:
        compiled = compiling.compile(project.requirement)
        wanted.append(compiled.sql)
        values |= compiled.values
    return " AND ".join(wanted), values


def _top(expression: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts that must all hold."""
    return parts(expression) if "all" in expression else [expression]


def _line(node: dict[str, Any], words: Words, known: Iterator[bool | None]) -> Line:
    unknown: list[str] = []
    value, compiled = _weighed(node, known, unknown, is_negated=False)
    state = {True: "met", False: "missing", None: "unknown"}[value]
    note = " ".join(dict.fromkeys(unknown)) if value is None else ""
    return Line(words.of(node), state, note, compiled is not True)


def _weighed(
    node: dict[str, Any], known: Iterator[bool | None], unknown: list[str], is_negated: bool
) -> tuple[bool | None, bool | None]:
    """Whether a node holds, in three values; and the same as the compiled expression has it."""
    if "of" in node:
        value, subject = next(known), condition(node).subject
        if value is None:
            unknown.append(UNSAID[subject])
            return None, not is_negated if subject == "approved_share" else None
        return value, value
    found = [_weighed(part, known, unknown, is_negated ^ ("not" in node)) for part in parts(node)]
    plain, compiled = ([pair[n] for pair in found] for n in (0, 1))
    if "not" in node:
        return _not(plain[0]), _not(compiled[0])
    decisive = "any" in node
    return _joined(plain, decisive), _joined(compiled, decisive)


def _joined(values: list[bool | None], decisive: bool) -> bool | None:
    """All of them, or, where True is decisive, any."""
    return decisive if decisive in values else None if None in values else not decisive


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value
