"""Money over HTTP: parse, call one verb, answer."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import ApiKey, Organisation
from payments import balances, payouts
from payments.api import serializers as say
from payments.models import Payout


class OfOneOrganisation(View):
    """What stands under an organisation that the caller belongs to."""

    def organisation(self) -> Organisation:
        return get_object_or_404(Organisation.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])


class Balance(OfOneOrganisation):
    serializer_class = say.Balances

    @extend_schema(operation_id="balance_get")
    def get(self, request: Request, id: str) -> Response:
        """What an organisation has left, currency by currency."""
        return self.answer({"balances": balances.of_organisation(self.organisation())})


class EarningsView(View):
    scope = ApiKey.Scope.WORK
    serializer_class = say.Earnings

    @extend_schema(operation_id="earnings_get")
    def get(self, request: Request) -> Response:
        """What you have earned and where it is, currency by currency."""
        return self.answer({"earnings": balances.of_user(person(request))})


class EarnedTransfers(View):
    scope = ApiKey.Scope.WORK
    serializer_class = say.EarnedTransfer

    @extend_schema(operation_id="earnings_transfers_list", responses=say.EarnedTransfer(many=True))
    def get(self, request: Request) -> Response:
        """Every amount that was credited to you, and for what."""
        return self.page(balances.earned(person(request)))


class Payouts(View):
    counted = "payout"
    scope = ApiKey.Scope.WORK
    serializer_class = say.PayoutSerializer

    def get_queryset(self) -> "QuerySet[Payout]":
        return person(self.request).payouts.all()

    @extend_schema(operation_id="payouts_list", responses=say.PayoutSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your payouts."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="payouts_request", request=say.NewPayout, responses={201: say.PayoutSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Have earnings paid out: an amount, or all there is. It is sent soon after; ask for it again to see."""
        return self.answer(payouts.request(person(request), **self.asked(say.NewPayout)), 201)


class PayoutView(View):
    scope = ApiKey.Scope.WORK
    serializer_class = say.PayoutSerializer

    def get_queryset(self) -> "QuerySet[Payout]":
        return person(self.request).payouts.all()

    @extend_schema(operation_id="payouts_get")
    def get(self, request: Request, id: str) -> Response:
        """One payout of yours."""
        return self.answer(self.get_object())
