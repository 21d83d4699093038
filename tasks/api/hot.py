"""The hot endpoints: claim, heartbeat, submit. Read by msgspec, idempotent by nature, no stored key."""

import functools
from typing import Annotated, Any

import msgspec
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from marketplace.api.authentication import HasScope
from marketplace.core import strictjson
from marketplace.core.errors import DomainError, Invalid
from marketplace.models import ApiKey, Project
from tasks import assignments
from tasks.api import authentication, pages, serializers
from tasks.models import Assignment
from workers import profiles
from workers.models import Worker

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Claim(msgspec.Struct, forbid_unknown_fields=True):
    tasks: Positive | None = None
    pick: Annotated[list[str], msgspec.Meta(max_length=1000)] | None = None


class Heartbeat(msgspec.Struct, forbid_unknown_fields=True):
    active_s: Natural


class AnswerIn(msgspec.Struct, forbid_unknown_fields=True):
    position: Natural
    value: Any


class Submit(msgspec.Struct, forbid_unknown_fields=True):
    answers: list[AnswerIn]
    active_s: Natural | None = None
    next: bool = False


class HotView(APIView):
    authentication_classes = [authentication.AccessTokenAuthentication, *APIView.authentication_classes]
    permission_classes = [HasScope]
    scope = ApiKey.Scope.WORK
    pace = "hot"


class ClaimView(HotView):
    @extend_schema(
        request=serializers.ClaimSerializer,
        responses={200: serializers.PageSerializer, 201: serializers.PageSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Lease the next page of tasks; 200 with the same page when one is open already."""
        wanted = read(request, Claim)
        project = Project(pk=_project(id))
        return pages.page(assignments.claim(worker_of(request), project, tasks=wanted.tasks, pick=wanted.pick))


class HeartbeatView(HotView):
    @extend_schema(
        operation_id="heartbeat", request=serializers.HeartbeatSerializer, responses=serializers.LeaseSerializer
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Keep the lease a while longer."""
        lease = assignments.renew(_mine(request, id), read(request, Heartbeat).active_s)
        return pages.answer(pages.Kept(lease.leased_until, lease.active_s))


class SubmitView(HotView):
    @extend_schema(operation_id="submit", request=serializers.SubmitSerializer, responses=serializers.ReceiptSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        """Hand in the page, and claim the next one with it if you say so; repeating it changes nothing."""
        sent = read(request, Submit)
        answers = {answer.position: answer.value for answer in sent.answers}
        if len(answers) < len(sent.answers):
            raise Invalid("a position is answered twice")
        lease = assignments.submit(_mine(request, id), answers, sent.active_s)
        return pages.receipt(lease, _next(worker_of(request), lease) if sent.next else None)


def worker_of(request: Request) -> Worker:
    """Who asks, as a worker."""
    user: Any = request.user
    return user.worker if isinstance(user, authentication.TokenUser) else profiles.of(user)


def read(request: Request, shape: type) -> Any:
    """The body as `shape`, or Invalid with what was expected where."""
    body = request.body or b"{}"
    try:
        if rb"\u0000" in body:
            strictjson.loads(body)  # msgspec takes a NUL character, the database does not
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        raise Invalid(str(error), errors=[{"path": _path(error), "code": "invalid", "message": str(error)}]) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}"[: settings.ERRORS_SHOWN * 10]) from None


def _path(error: Exception) -> str:
    """msgspec ends its messages with " - at `$.path`"."""
    _, _, where = str(error).partition(" - at `$")
    return where.rstrip("`").lstrip(".")


@functools.lru_cache(10_000)
def _project(public_id: str) -> int:
    """The key of the project with this name: neither ever changes. What it allows, the claim itself looks up."""
    return get_object_or_404(Project.objects.only("pk"), public_id=public_id).pk


def _next(worker: Worker, lease: Assignment) -> Assignment | None:
    """The page after this one; None where a claim would be refused: it says why."""
    try:
        return assignments.claim(worker, Project(pk=lease.project_id))
    except DomainError:
        return None


def _mine(request: Request, id: str) -> Assignment:
    """The lease of this name, if it is this worker's; the verb looks it up by both."""
    return Assignment(public_id=id, worker_id=worker_of(request).pk)
