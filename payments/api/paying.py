"""How people are paid, over HTTP: parse, call one verb, answer."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import IsPerson, person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.core.errors import NotFound
from marketplace.models import ApiKey, User
from payments import holds, payout_accounts, payouts, schedules
from payments.api import paying_shapes as shapes
from payments.models import Payout, PayoutAccount


class OfPaid(View):
    """Anybody sees with a key how they are paid; where the money goes they decide themselves, signed in."""

    scope = ApiKey.Scope.WORK
    serializer_class: type[shapes.Strict] = shapes.HowPaid

    def get_permissions(self) -> Sequence[Any]:
        return super().get_permissions() if self.request.method in SAFE_METHODS else [IsPerson()]

    def how(self, user: User, status: int = 200) -> Response:
        hold = holds.in_force(user)
        facts: dict[str, Any] = {"account": payout_accounts.of(user), "schedule": schedules.of(user)}
        return self.answer({**facts, "held_until": hold.until if hold else None}, status)

    def account(self) -> PayoutAccount:
        if account := payout_accounts.of(person(self.request)):
            return account
        raise NotFound("you have not said where you are paid")


class PayoutAccountView(OfPaid):
    @extend_schema(operation_id="payout_account_get")
    def get(self, request: Request) -> Response:
        """Where you are paid, how often without asking, and what holds it up."""
        return self.how(person(request))

    @extend_schema(operation_id="payout_account_open", request=shapes.NewPayoutAccount, responses={201: shapes.HowPaid})
    @replies.once
    def post(self, request: Request) -> Response:
        """Have the provider make an account for you; then ask for a link to give it your details. No key can do it."""
        payout_accounts.open(person(request), **self.asked(shapes.NewPayoutAccount))
        return self.how(person(request), 201)


class Link(OfPaid):
    counted = "payout-account"
    serializer_class = shapes.PayoutAccountLink

    @extend_schema(operation_id="payout_account_link", request=None)
    def post(self, request: Request) -> Response:
        """A fresh address at the provider, where you give your details. It works once, so none is kept."""
        return self.answer({"url": payout_accounts.onboarding_url(self.account())})


class Refresh(OfPaid):
    counted = "payout-account"

    @extend_schema(operation_id="payout_account_refresh", request=None)
    def post(self, request: Request) -> Response:
        """Ask the provider how your account stands now."""
        payout_accounts.look_now(self.account())
        return self.how(person(request))


class Close(OfPaid):
    serializer_class = shapes.LastPayouts

    @extend_schema(operation_id="payout_account_close", request=None)
    @replies.once
    def post(self, request: Request) -> Response:
        """Have what is left paid out, also below the least payout, and be paid there no more."""
        return self.answer({"payouts": payout_accounts.close(person(request))})


class ScheduleView(View):
    scope = ApiKey.Scope.WORK
    serializer_class = shapes.ScheduleSerializer

    @extend_schema(operation_id="payout_schedule_choose")
    def put(self, request: Request) -> Response:
        """Be paid without asking: never, every week or every month."""
        return self.answer(schedules.choose(person(request), self.asked(shapes.ScheduleSerializer)["every"]))


class OfReviews(View):
    scope = ApiKey.Scope.ADMIN
    serializer_class = shapes.ReviewedPayoutSerializer

    def get_queryset(self) -> "QuerySet[Payout]":
        waiting = Payout.objects.filter(mode=settings.MODE).exclude(review_because="").select_related("user")
        return waiting if person(self.request).is_staff else waiting.none()


class PayoutReviews(OfReviews):
    @extend_schema(operation_id="payout_reviews_list", responses=shapes.ReviewedPayoutSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Payouts that wait for an admin."""
        return self.page(self.get_queryset().filter(state=Payout.State.REVIEW))


class LetGo(OfReviews):
    @extend_schema(operation_id="payout_reviews_let_go", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Have it sent."""
        return self.answer(payouts.let_go(self.get_object(), person(request)))


class Refuse(OfReviews):
    @extend_schema(operation_id="payout_reviews_refuse", request=shapes.RefusePayout)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Put it back into the earnings; the person reads why."""
        return self.answer(payouts.refuse(self.get_object(), person(request), **self.asked(shapes.RefusePayout)))
