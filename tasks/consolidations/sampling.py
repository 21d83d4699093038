"""A try with an aggregator: what is sent, what comes back, and what is wrong with it. Nothing of it becomes a label."""

from dataclasses import dataclass
from typing import Any

from marketplace import accounts, audit
from marketplace.core import limits, outgoing
from marketplace.models import Role, User
from tasks.consolidations import calling, contract
from tasks.consolidations.naming import NoAggregator
from tasks.models import Aggregator, Answer, Batch, Task

TASKS = 3
REPLY_SHOWN = 4_000  # characters of what came back


@dataclass(frozen=True)
class Sample:
    """What happened. Without a status it did not answer; `why` says what is wrong with the whole.

    labels  key -> field -> value that was understood
    wrong   key -> why there is no label
    """

    url: str
    headers: dict[str, str]
    sent: str
    status: int | None
    took_s: float | None
    reply: str
    why: str
    labels: dict[str, dict[str, object]]
    wrong: dict[str, str]
    stray: list[str]

    @property
    def is_good(self) -> bool:
        return not (self.why or self.wrong or self.stray)


def sample(aggregator: Aggregator, by: User) -> Sample:
    """Send it a few tasks that people have answered, or made-up ones where there are none. Holds no transaction.

    raises  TooManyRequests, Forbidden
    """
    accounts.require(by, aggregator.project.organisation, Role.MANAGER)
    if aggregator.retired_at:
        raise NoAggregator
    limits.spend("sample", by.pk)
    schema, keys, body = _made(aggregator)
    headers = calling.signed(aggregator, body)
    status, took_s, reply, why = None, None, "", ""
    found = contract.Understood()
    try:
        answered = calling.post(aggregator, body)
        status, took_s, reply = answered.status, answered.took_s, answered.body.decode(errors="replace")[:REPLY_SHOWN]
        found = calling.understood(schema, keys, answered)
    except (outgoing.NotAnswered, contract.NotUnderstood) as error:
        why = str(error)
    audit.record(by, "sample_aggregator", aggregator, status=status, why=why)
    values = {key: {field: value for field, (value, _) in label.items()} for key, label in found.labels.items()}
    return Sample(aggregator.url, headers, body.decode(), status, took_s, reply, why, values, found.wrong, found.stray)


def _made(aggregator: Aggregator) -> tuple[dict[str, Any], list[str], bytes]:
    """The schema, the keys and the body of a request as it will be."""
    project = aggregator.project
    batch = Batch.objects.filter(project=project).select_related("project__organisation").order_by("-pk").first()
    rows: dict[str, contract.Row] = {}
    if batch:
        answered = Answer.objects.counted().filter(batch=batch, attempt=0, task__gold=None).order_by("pk")
        tasks = set(answered.values_list("task", flat=True)[: TASKS * 10])
        chosen = Task.objects.filter(pk__in=tasks, is_copy=False).select_related("item").order_by("pk")[:TASKS]
        rows = {row.key: row for _, _, row in calling.rows_of(batch, chosen)}
    schema = batch.schema if rows and batch else project.schema
    if not rows:
        shown = {column["column"]: "example" for column in schema["display"]}
        answer = contract.example(schema)
        rows = {"example-1": contract.Row("example-1", shown, [("w_example1", answer), ("w_example2", answer)])}
    name = batch.public_id if batch else project.public_id
    return schema, list(rows), contract.request(name, schema, list(rows.values()))
