"""What Prometheus reads."""

import secrets
from ipaddress import ip_address

from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.core import metrics as figures
from marketplace.core import vitals
from tasks import vitals as work

FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP", "HTTP_VIA")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """All figures; for everybody but this machine and holders of the token, there is nothing here."""
    if not (_has_token(request) or _is_this_machine(request)):
        raise Http404
    try:
        with vitals.bounded():
            found = [*work.of_work(), *figures.of_background(), *figures.of_database()]
    except Error:
        return HttpResponse("the database does not answer\n", "text/plain", status=503)
    return HttpResponse(figures.text(found), figures.MEDIA_TYPE)


def _has_token(request: HttpRequest) -> bool:
    sent = request.META.get("HTTP_AUTHORIZATION", "").encode()
    return bool(settings.METRICS_TOKEN) and secrets.compare_digest(sent, f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_this_machine(request: HttpRequest) -> bool:
    """Whether it was sent from here; what a proxy on this machine passes on was not."""
    if settings.BEHIND_PROXY or any(name in request.META for name in FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
