"""What organisations pay in and get back over HTTP: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.models import ApiKey
from payments import prepayments, refunds
from payments.api import funding_shapes as shapes
from payments.api.views import OfOneOrganisation
from payments.models import Prepayment, Refund


class OfPrepayments(OfOneOrganisation):
    serializer_class: Any = shapes.PrepaymentSerializer
    lookup_url_kwarg = "prepayment"

    def get_queryset(self) -> "QuerySet[Prepayment]":
        return Prepayment.objects.visible_to(person(self.request)).filter(organisation=self.organisation())


class Prepayments(OfPrepayments):
    counted = "prepayment"

    @extend_schema(operation_id="prepayments_list", responses=shapes.PrepaymentSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What an organisation has paid, or tried to."""
        return self.page(self.get_queryset())

    @extend_schema(
        operation_id="prepayments_request", request=shapes.NewPrepayment, responses={201: shapes.PrepaymentSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Pay for work to come; owners may. Ask for it again to see where to pay, and when it is credited.

        Play money is paid at once. A refused payment is an answer too: its state is `failed`.
        """
        prepayment = prepayments.request(self.organisation(), person(request), **self.asked(shapes.NewPrepayment))
        return self.answer(prepayment, 201)


class OnePrepayment(OfPrepayments):
    @extend_schema(operation_id="prepayments_get")
    def get(self, request: Request, id: str, prepayment: str) -> Response:
        """One prepayment: where it is paid, and whether it was."""
        return self.answer(self.get_object())


class PrepaymentSecret(OfPrepayments):
    counted = "prepayment"
    serializer_class = shapes.Secret

    @extend_schema(operation_id="prepayments_secret", request=None, responses=shapes.Secret)
    def post(self, request: Request, id: str, prepayment: str) -> Response:
        """What the provider's scripts pay a prepayment of the way `intent` with; owners may ask.

        No Idempotency-Key is taken: the secret is kept nowhere, and asking again changes nothing.
        """
        secret = prepayments.secret(self.get_object(), person(request))
        return Response({"client_secret": secret}, headers={"Cache-Control": "no-store"})


class Refunds(OfOneOrganisation):
    counted = "refund"
    serializer_class = shapes.RefundSerializer

    @extend_schema(operation_id="refunds_list", responses=shapes.RefundSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What goes back, or went back, to an organisation."""
        seen = Refund.objects.visible_to(person(request)).filter(prepayment__organisation=self.organisation())
        return self.page(seen.select_related("prepayment"))

    @extend_schema(operation_id="refunds_request", request=shapes.NewRefund, responses={201: shapes.Refunds})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Have what is prepaid and not reserved paid back; owners may. It may take several refunds."""
        asked = {"amount_micros": None, **self.asked(shapes.NewRefund)}
        begun = refunds.request(self.organisation(), person(request), **asked)
        return Response(shapes.Refunds({"refunds": begun}).data, status=201)


class RefundFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Refund.State.choices)
    way = filters.ChoiceFilter(choices=Refund.Way.choices)


class AllRefunds(FilteredView):
    """For admins."""

    scope = ApiKey.Scope.ADMIN
    serializer_class = shapes.RefundToDecide
    queryset = Refund.objects.none()
    filterset_class: Any = RefundFilter

    def get_queryset(self) -> "QuerySet[Refund]":
        everything = Refund.objects.select_related("prepayment__organisation", "proposed_by")
        return everything if person(self.request).is_staff else everything.none()

    def shown(self, refund: Refund) -> Response:
        return self.answer(self.get_queryset().get(pk=refund.pk))


class RefundsToDecide(AllRefunds):
    @extend_schema(operation_id="all_refunds_list", responses=shapes.RefundToDecide(many=True))
    def get(self, request: Request) -> Response:
        """Refunds of all organisations; `state=proposed`: those that are paid by hand, and wait for admins."""
        return self.page(self.get_queryset())


class Propose(AllRefunds):
    @extend_schema(operation_id="refunds_propose", request=shapes.Proposal)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say that you pay a refund by hand; another admin signs that it was."""
        return self.shown(refunds.propose(self.get_object(), person(request), **self.asked(shapes.Proposal)))


class Sign(AllRefunds):
    @extend_schema(operation_id="refunds_sign", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Sign that a refund was paid by hand, as another admin proposed."""
        return self.shown(refunds.sign(self.get_object(), person(request)))


class Decline(AllRefunds):
    @extend_schema(operation_id="refunds_decline", request=shapes.Declined)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Refuse a refund by hand; the money is prepaid again, and the organisation reads the reason."""
        return self.shown(refunds.decline(self.get_object(), person(request), self.asked(shapes.Declined)["reason"]))


class TryOriginal(AllRefunds):
    @extend_schema(operation_id="refunds_try_original", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Send a refund to what it was paid with after all."""
        return self.shown(refunds.try_original(self.get_object(), person(request)))
