"""Figures for Prometheus, in its text format."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from marketplace.core import clock, jobs, vitals

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "manyhands_"
BOUND = f"counted up to {jobs.COUNT_MOST}"
Labels = tuple[tuple[str, str], ...]


@dataclass
class Metric:
    """One figure, or one for each value of a label; a counter only grows, a gauge goes up and down."""

    name: str
    kind: str  # "counter", "gauge"
    help: str
    samples: dict[Labels, float] = field(default_factory=dict)

    def add(self, value: float | None, **labels: str) -> "Metric":
        """Say one more value; None is left out, for it is not known."""
        if value is not None:
            self.samples[tuple(labels.items())] = value
        return self


def gauge(name: str, help: str) -> Metric:
    return Metric(PREFIX + name, "gauge", help)


def counter(name: str, help: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", "counter", help)


def text(metrics: Iterable[Metric]) -> str:
    """All of them as Prometheus reads them."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples.items()]
    return "\n".join(lines) + "\n"


def of_background() -> list[Metric]:
    """Clusters, sweeps and jobs."""
    at = clock.now()
    heart = vitals.pulse(at)
    queue = jobs.queue()
    lag = gauge("sweep_lag_seconds", "How long a step without a fault is overdue, beyond the interval of the sweep.")
    last = gauge("sweep_last_seconds", "What the last step of the sweep took.")
    busy = counter("sweep_seconds", "What all steps of the sweep took.")
    steps = counter("sweep_steps", "Steps of the sweep that ended.")
    faults = counter("sweep_faults", "Steps of the sweep that failed.")
    for sweep in vitals.sweeps(at, heart):
        lag.add(sweep.lag_s, sweep=sweep.name)
        last.add(sweep.last_s, sweep=sweep.name)
        busy.add(sweep.busy_s, sweep=sweep.name)
        steps.add(sweep.steps, sweep=sweep.name)
        faults.add(sweep.faults, sweep=sweep.name)
    return [
        gauge("clusters", "Clusters that run.").add(heart.running),
        gauge("cluster_silent_seconds", "Since the last sign of life of any cluster.").add(heart.silent_s),
        *(lag, last, busy, steps, faults),
        gauge("jobs_waiting", f"Jobs nobody has begun; {BOUND}.").add(queue.waiting),
        gauge("jobs_begun", f"Jobs fetched by a cluster and not ended; {BOUND}.").add(queue.begun),
        gauge("jobs_oldest_seconds", "How long the first of the waiting jobs has waited.").add(queue.oldest_s),
        gauge("jobs_failed", f"Jobs that failed and are kept to be looked at; {BOUND}.").add(queue.failed),
    ]


def of_database() -> list[Metric]:
    """Connections and snapshots."""
    found = vitals.database()
    connections = gauge("database_connections", "Connections to this database, by state.")
    for state, count in found.connections.items():
        connections.add(count, state=state)
    return [
        connections,
        gauge("database_connections_most", "Connections the server takes.").add(found.connections_most),
        gauge("database_oldest_snapshot_transactions", "Age of the oldest snapshot held.").add(found.snapshot_age),
        gauge("database_oldest_snapshot_seconds", "How long its transaction has run.").add(found.snapshot_s),
    ]


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(round(value, 6))
