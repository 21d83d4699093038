"""Whether this process, and the whole site, are well: for machines that watch, without a sign-in."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.core import vitals


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; the database is not asked."""
    return JsonResponse({"well": True})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Database, cluster and sweeps are well: 200; otherwise 503, and which of them is not."""
    found = vitals.checks()
    is_well = all(check.is_well for check in found)
    body = {"well": is_well, "checks": {check.name: {"well": check.is_well, "says": check.says} for check in found}}
    return JsonResponse(body, status=200 if is_well else 503)
