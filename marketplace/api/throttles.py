"""How fast a caller may call, and how often some things may be done."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from marketplace.core import clients, limits

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module while it is made


class PerCaller(BaseThrottle):
    """Every request keeps the pace that the view names, "api" where it names none.

    What `view.counted` names is counted exactly: each POST that tries it, before its transaction begins.
    """

    def allow_request(self, request: Request, view: "APIView") -> bool:
        caller = request.user.pk or clients.address(request._request)
        limits.keep_pace(getattr(view, "pace", "api"), caller)
        if request.method == "POST" and (what := getattr(view, "counted", None)):
            limits.spend(what, caller)
        return True
