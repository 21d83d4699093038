"""Grants that live by what is measured: ended where the accuracy is surely too low, renewed where it surely is not."""

from django.db import transaction

from tasks import decisions
from tasks.models import Decision
from workers import qualifications
from workers.models import Grant

STEP = 200


def review(limit: int = STEP) -> bool:
    """End and renew the grants that are due, each by itself; True while there may be more."""
    due = qualifications.due(limit)
    for one in due:
        _apply(one)
    return len(due) == limit


@transaction.atomic
def _apply(due: qualifications.Due) -> None:
    grant = (
        Grant.objects.select_for_update(no_key=True, of=("self",))
        .select_related("qualification__project", "worker")
        .get(pk=due.grant)
    )
    if grant.revoked_at:
        return
    if due.what == "end":
        decisions.decide(
            Decision.Kind.END_GRANT,
            grant.worker,
            reason_code=Decision.Reason.INACCURATE,
            reason=due.reason,
            project=grant.qualification.project,
            grant=grant,
            facts=due.facts,
        )
    else:
        qualifications.renew(grant, due.reason)
