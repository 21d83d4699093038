"""Labels of an aggregator where a test wants them: a server on this machine that answers as the test says."""

import json
from datetime import timedelta

from marketplace.core import clock
from tasks import consolidations, jobs
from tasks.models import (
    Aggregator,
    Consensus,
    Consolidation,
    Look,
)
from tests import make
from tests.listener import Answer as Reply
from tests.tasks import work


def rows(asked, label):
    """An answer in which each row has what `label` makes of its answers."""
    said = []
    for row in asked.said["payload"]["content"]:
        answers = [json.loads(one["annotationData"]["content"]) for one in row["annotations"]]
        content = label(row["datasetObjectId"], answers)
        if content is not None:
            said.append({"datasetObjectId": row["datasetObjectId"], "consolidatedAnnotation": {"content": content}})
    return Reply(json.dumps(said).encode())


def owls(asked, out):
    """It sees owls everywhere, nine times in ten."""
    return rows(asked, lambda key, answers: {"animal": "owl", "animal-metadata": {"confidence": 0.9}})


def named(batch, url):
    return consolidations.name(batch.project, make.user("rita"), url)[0]


def answered(batch, **animals):
    for person, animal in animals.items():
        work.work_all(work.worker(person), batch, animal)
    jobs.update_consensus()


def later(seconds=3600):
    """So much time passes for whatever waits."""
    past = timedelta(seconds=seconds)
    for row in Look.objects.all():
        ended_at = row.ended_at and row.ended_at - past
        Look.objects.filter(pk=row.pk).update(ended_at=ended_at, began_at=row.began_at - past)
    Aggregator.objects.filter(rest_until__isnull=False).update(rest_until=clock.now())
    for row in Consolidation.objects.filter(state="waiting"):
        Consolidation.objects.filter(pk=row.pk).update(due_at=row.due_at - past)


def sweep():
    while jobs.consolidate():
        pass
    jobs.update_consensus()


def values():
    return dict(Consensus.objects.values_list("task", "value"))


def made(**terms):
    """Two closed tasks that Ann and Ben took for cats."""
    batch = work.published(**{"items": 2, "page_size": 2, **terms})
    answered(batch, ann="cat", ben="cat")
    return batch
