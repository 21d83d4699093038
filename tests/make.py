"""What tests begin with, made by the verbs that make it in life."""

import io
import json
from typing import Any

from allauth.account.models import EmailAddress
from django.core.files.base import File

from marketplace import accounts, datasets, jobs, projects
from marketplace.models import Dataset, Import, Organisation, Project, User

PASSWORD = "correct horse battery"
SCHEMA = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]}],
}


def user(name: str = "rita", *, confirmed: bool = True, staff: bool = False) -> User:
    """The person with this name or address; the same one when asked again."""
    email = name if "@" in name else f"{name}@example.org"
    if found := User.objects.filter(email=email).first():
        return found
    made = User.objects.create_user(email, PASSWORD, name=email.partition("@")[0].title(), is_staff=staff)
    EmailAddress.objects.create(user=made, email=email, verified=confirmed, primary=True)
    return made


def organisation(owner: User | None = None) -> Organisation:
    return accounts.found(owner or user(), "Rita's lab")


def owner(organisation: Organisation) -> User:
    return organisation.memberships.filter(role="owner")[0].user


def project(organisation: Organisation | None = None, *, schema: Any = None, **terms: Any) -> Project:
    """A draft of its organisation's owner."""
    home = organisation or globals()["organisation"]()
    terms = {"title": "Animals", "price_micros": 50_000, **terms}
    return projects.draft(home, owner(home), schema=schema or SCHEMA, **terms)


def import_of(content: bytes | str, home: Dataset | Organisation | None = None, **options: Any) -> Import:
    """An import of this content that has not begun; CSV unless `format` says otherwise."""
    if not isinstance(home, Dataset):
        home = home or organisation()
        home = datasets.create(home, owner(home), "Things")
    raw = content.encode() if isinstance(content, str) else content
    return datasets.start_import(
        home, owner(home.organisation), File(io.BytesIO(raw), "rows"), **{"format": "csv", **options}
    )


def ended(run: Import) -> Import:
    """The import after all its steps."""
    while jobs.imports():
        pass
    run.refresh_from_db()
    return run


def dataset(rows: list[dict[str, Any]], home: Organisation | None = None, **options: Any) -> Dataset:
    """A dataset of these rows, imported."""
    text = "\n".join(json.dumps(row) for row in rows)
    run = ended(import_of(text, home, format="jsonl", **options))
    assert (run.state, run.bad) == ("done", 0), list(run.bad_rows.all()) or run.failure
    return Dataset.objects.get(pk=run.dataset_id)
