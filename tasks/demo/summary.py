"""What a job came to: labels against the truth, workers against what they are, money against itself."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import Sum

from marketplace.core import money
from payments.models import Account, Transfer
from tasks.demo.client import Client
from tasks.models import Answer, Batch

COUNTED = ("submitted", "accepted")


@dataclass
class Labels:
    """The labels of a batch beside the truth; a task without truth counts in no accuracy."""

    tasks: int = 0
    answers: int = 0
    with_truth: int = 0
    consensus_right: int = 0
    majority_right: float = 0.0
    accepted: int = 0
    given: list[tuple[str, str, str]] = field(default_factory=list)  # key, worker, value
    right: Counter[str] = field(default_factory=Counter)  # by worker
    judged: Counter[str] = field(default_factory=Counter)

    @property
    def consensus_accuracy(self) -> float:
        return self.consensus_right / self.with_truth if self.with_truth else 0.0

    @property
    def majority_accuracy(self) -> float:
        return self.majority_right / self.with_truth if self.with_truth else 0.0


def read(requester: Client, batch: str, name: str, truth: Mapping[str, str], key: str = "key") -> Labels:
    """Download the labels of the field `name` and hold them against the truth.

    key  which part of a row names it in the truth: its key, or a column of its payload
    """
    rows = (json.loads(line) for line in requester.lines(f"batches/{batch}/labels.jsonl") if line)
    return compare(((row["key"] if key == "key" else row["payload"][key], row) for row in rows), name, truth)


def compare(rows: Iterable[tuple[str, dict[str, Any]]], name: str, truth: Mapping[str, str]) -> Labels:
    found = Labels()
    for key, row in rows:
        counted = [answer for answer in row["answers"] if answer["state"] in COUNTED]
        found.tasks += 1
        found.answers += len(row["answers"])
        found.accepted += sum(answer["state"] == "accepted" for answer in counted)
        found.given += [(key, answer["worker"], answer["value"][name]) for answer in counted]
        right = truth.get(key)
        if right is None:
            continue
        found.with_truth += 1
        found.consensus_right += row["labels"].get(name) == right
        found.majority_right += share_of_majority([answer["value"][name] for answer in counted], right)
        for answer in row["answers"]:
            found.judged[answer["worker"]] += 1
            found.right[answer["worker"]] += answer["value"][name] == right
    return found


def share_of_majority(values: Iterable[str], right: str) -> float:
    """1 where the most frequent value is right; where several are as frequent, its share among them."""
    counts = Counter(values)
    best = [value for value, count in counts.items() if count == max(counts.values())]
    return 1 / len(best) if right in best else 0.0


def worker_table(
    requester: Client, batch: str, labels: Labels, kinds: Mapping[str, str], others: str = ""
) -> list[str]:
    """Estimated and real accuracy of every worker, kind by kind; `kinds` says what a pseudonym really is."""
    rows = defaultdict(list)
    for row in requester.get(f"batches/{batch}/workers"):
        if row["accuracy"] is not None and labels.judged[row["worker"]]:
            rows[kinds.get(row["worker"], others)].append(row)
    lines = [f"{'':10} {'worker':18} {'answers':>7}  estimated (90 % interval)  real"]
    for kind in sorted(rows, key=lambda kind: -sum(row["accuracy"] for row in rows[kind]) / len(rows[kind])):
        for row in sorted(rows[kind], key=lambda row: -row["accuracy"]):
            real = labels.right[row["worker"]] / labels.judged[row["worker"]]
            interval = f"{row['accuracy']:.2f} ({row['accuracy_p05']:.2f} to {row['accuracy_p95']:.2f})"
            lines.append(f"{kind:10} {row['worker']:18} {labels.judged[row['worker']]:7}  {interval:25}  {real:.2f}")
    return lines


def money_table() -> tuple[list[str], int]:
    """Every kind of account with its debits and credits, and the sum over all, which must be zero."""
    found = Account.objects.values("kind", "currency").annotate(out=Sum("debits_micros"), into=Sum("credits_micros"))
    lines = [f"{'account':12} {'debits':>18} {'credits':>18} {'balance':>18}"]
    total = 0
    for row in found.order_by("currency", "kind"):
        balance = row["into"] - row["out"]
        total += balance
        amounts = [money.show(amount, row["currency"]) for amount in (row["out"], row["into"], balance)]
        lines.append(f"{row['kind']:12} " + " ".join(f"{amount:>18}" for amount in amounts))
    return [*lines, f"{'sum':12} {money.show(total, ''):>56}"], total


def facts(labels: Labels, batch_id: str) -> dict[str, Any]:
    """What `demo` and `replay` both report of a batch, for programs."""
    batch = Batch.objects.get(public_id=batch_id)
    answers = batch.answers.filter(attempt=0, submitted_at__isnull=False)
    accepted = answers.filter(state=Answer.State.ACCEPTED)
    return {
        "consensus_accuracy": round(labels.consensus_accuracy, 4),
        "majority_accuracy": round(labels.majority_accuracy, 4),
        "tasks": labels.tasks,
        "answers": labels.answers,
        "gold_answers": answers.filter(task__gold__isnull=False).count(),
        "accepted": accepted.count(),
        "accepted_unpaid": accepted.filter(entry=None).count(),
        "audit": audit(),
        **_spent(batch),
    }


def _spent(batch: Batch) -> dict[str, int]:
    """What this batch has paid: to workers, and as fee."""
    out = Transfer.objects.filter(debit__reserve__subject=batch.subject).values_list("credit__kind")
    sums = dict(out.annotate(sum=Sum("amount_micros")))
    return {
        "paid_micros": sums.get(Account.Kind.EARNINGS, 0),
        "fee_micros": sums.get(Account.Kind.FEES, 0),
    }


def audit() -> str:
    """What `manage.py audit` finds: "ok" or the problems."""
    try:
        call_command("audit", stdout=StringIO())
    except CommandError as error:
        return str(error)
    return "ok"
