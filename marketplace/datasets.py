"""Data on its way in: files are read in small steps, each of which commits its rows together with how far it came."""

from dataclasses import dataclass, field
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import Max

from marketplace import accounts, audit
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Invalid
from marketplace.core.strictjson import text_error
from marketplace.imports import FORMATS
from marketplace.imports.candidates import Candidate, Columns
from marketplace.imports.rows import Problem, Row, Start, Unreadable
from marketplace.imports.taking import Taking
from marketplace.models import BadRow, Dataset, Import, Organisation, Project, Role, User

STEP_MOST_BYTES = 16_000_000  # a step ends here too, so that long rows do not fill the memory


@transaction.atomic
def create(organisation: Organisation, by: User, name: str) -> Dataset:
    """Make an empty dataset."""
    accounts.require(by, organisation, Role.MANAGER)
    name = name.strip()
    if not 1 <= len(name) <= 200 or text_error(name):
        raise _invalid("name", "length", "must be a text of 1 to 200 characters")
    dataset = Dataset.objects.create(organisation=organisation, name=name)
    audit.record(by, "create", dataset)
    return dataset


@transaction.atomic
def start_import(
    dataset: Dataset,
    by: User,
    file: File,
    *,
    format: str,
    key_column: str = "",
    truth_columns: dict[str, str] | None = None,
    project: Project | None = None,
) -> Import:
    """Keep the file and have it read in the background, as the dataset's next version.

    key_column     holds the requester's own key; without one a row's key is the number of its line
    truth_columns  column -> field of the project's label schema whose right answer it holds
    """
    accounts.require(by, dataset.organisation, Role.MANAGER)
    _check_request(dataset, file, format, key_column, truth_columns or {}, project)
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    last = dataset.imports.aggregate(last=Max("version"))["last"] or 0
    run = Import(
        dataset=dataset,
        project=project,
        version=last + 1,
        format=format,
        key_column=key_column,
        truth_columns=truth_columns or {},
        bytes_total=file.size,
        created_by=by,
    )
    run.file.save(f"{run.public_id}.{format}", file, save=False)
    run.save()
    audit.record(by, "start_import", run, dataset=dataset.pk, version=run.version)
    jobs.enqueue("marketplace.core.sweeps.run", "marketplace.jobs.imports")
    return run


def _check_request(
    dataset: Dataset, file: File, format: str, key_column: str, truth_columns: dict[str, str], project: Project | None
) -> None:
    """Raise Invalid for what can be seen to be wrong before the file is read."""
    if format not in FORMATS:
        raise _invalid("format", "option", f"must be one of {', '.join(FORMATS)}")
    if file.size > settings.IMPORT_MOST_BYTES:
        raise _invalid("file", "too-large", f"at most {settings.IMPORT_MOST_BYTES:,} bytes")
    if len(key_column) > 80 or text_error(key_column):
        raise _invalid("key_column", "length", "at most 80 characters")
    if key_column in truth_columns:
        raise _invalid("key_column", "duplicate", "a column cannot hold both the key and a truth")
    if project and project.organisation_id != dataset.organisation_id:
        raise _invalid("project", "unknown", "the project belongs to another organisation")
    fields = _fields(project)
    for column, name in truth_columns.items():
        if name not in fields or list(truth_columns.values()).count(name) > 1:
            wanted = f"each of {', '.join(fields)} at most once" if fields else "give the project whose fields they are"
            raise _invalid("truth_columns", "option", f"{column}: {wanted}")


@transaction.atomic
def import_step(import_pk: int) -> bool:
    """Take the next rows of a file into its dataset; True while there are more.

    Rows, keys, complaints and the place in the file commit together: a step that dies leaves nothing behind, and the
    next one begins where the last one that ended had come to. Imports of one dataset go one after the other.
    """
    run = _its_turn(import_pk)
    if run is None:
        return False
    if run.state == Import.State.WAITING:
        states.move(run, Import.State.RUNNING)
    try:
        with run.file.open("rb") as file:
            part = _read(run, file)
    except (Unreadable, OSError) as exc:
        _end(run, Import.State.FAILED, str(exc) if isinstance(exc, Unreadable) else "the file is not there any more")
        return False
    _take(run, part)
    run.bytes_done, run.line = part.at.offset, part.at.line - 1
    run.header = part.at.columns
    run.save(update_fields=["bytes_done", "line", "header", "good", "duplicates", "bad"])
    if part.is_last:
        _end(run, Import.State.DONE)
    return not part.is_last


def give_up(import_pk: int, reason: str) -> None:
    """End an import that cannot go on; the rows it took stay."""
    with transaction.atomic():
        run = _its_turn(import_pk)
        if run:
            _end(run, Import.State.FAILED, reason)


def _its_turn(import_pk: int) -> Import | None:
    """The import, its dataset locked; None if it ended, or an earlier one of its dataset has not."""
    dataset = Dataset.objects.select_for_update().get(imports=import_pk)
    unfinished = dataset.imports.filter(state__in=[Import.State.WAITING, Import.State.RUNNING])
    first = unfinished.select_related("dataset", "project").order_by("version").first()
    return first if first and first.pk == import_pk else None


def _end(run: Import, state: Import.State, failure: str = "") -> None:
    states.move(run, state, ended_at=clock.now(), failure=failure)
    if state == Import.State.DONE:
        Dataset.objects.filter(pk=run.dataset_id).update(version=run.version)
    audit.record(None, "end_import", run, state=state, good=run.good, duplicates=run.duplicates, bad=run.bad)


@dataclass(slots=True)
class Part:
    """What one step read: candidates and complaints, and where the next step begins."""

    at: Start
    is_last: bool = False
    candidates: list[Candidate] = field(default_factory=list)
    complaints: list[tuple[int, Problem]] = field(default_factory=list)


def _read(run: Import, file: IO[bytes]) -> Part:
    """The next rows, at most IMPORT_STEP_ROWS of them; little more than STEP_MOST_BYTES are looked at."""
    reader, most_bytes = FORMATS[run.format], settings.IMPORT_ROW_MOST_BYTES
    columns = Columns(run.key_column, run.truth_columns, _fields(run.project))
    begin = Start(run.bytes_done, run.line + 1, run.header)
    if run.bytes_done == 0:
        begin = reader.start(file, most_bytes)
        columns.check(begin.columns)
    part, looked_at = Part(begin, is_last=True), 0
    for count, row in enumerate(reader.rows(file, begin, most_bytes), 1):
        _sort(row, columns, part)
        part.at = Start(row.end, row.next_line, begin.columns)
        looked_at += row.read
        if count >= settings.IMPORT_STEP_ROWS or looked_at >= STEP_MOST_BYTES:
            part.is_last = row.end >= run.bytes_total
            break
    return part


def _sort(row: Row, columns: Columns, part: Part) -> None:
    """Put a row among the candidates or the complaints; a blank one nowhere."""
    if row.value is None:
        return
    read = row.value if isinstance(row.value, Problem) else columns.candidate(row.line, row.value)
    if isinstance(read, Problem):
        part.complaints.append((row.line, read))
    else:
        part.candidates.append(read)


def _fields(project: Project | None) -> dict[str, Any]:
    return {spec["name"]: spec for spec in project.schema["fields"]} if project else {}


def _take(run: Import, part: Part) -> None:
    """Write a part's items, keys and complaints, and count them."""
    taking = Taking(run, part.candidates)
    for candidate in part.candidates:
        if problem := taking.problem_with(candidate):
            part.complaints.append((candidate.line, problem))
    taking.write()
    run.good += len(taking.items)
    run.duplicates += taking.duplicates
    _complain(run, part.complaints)


def _complain(run: Import, complaints: list[tuple[int, Problem]]) -> None:
    """Count every complaint and keep the first IMPORT_BAD_ROWS_KEPT of the import."""
    kept = max(0, settings.IMPORT_BAD_ROWS_KEPT - run.bad)
    run.bad += len(complaints)
    BadRow.objects.bulk_create(
        BadRow(import_run=run, line=line, column=problem.column, code=problem.code, message=problem.message)
        for line, problem in sorted(complaints)[:kept]
    )


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])
