"""What workers hold and state of themselves, over HTTP; and the credentials that admins verify."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.models import ApiKey
from tasks import earning
from tasks.api import qualifications_shapes as shapes
from tasks.api.work import WorkView
from workers import credentials, groups, qualifications, totals
from workers.models import CredentialRequest, Grant, GroupMember, Invitation, Qualification


class Profile(WorkView):
    serializer_class = shapes.ToldProfile

    @extend_schema(operation_id="profile_get")
    def get(self, request: Request) -> Response:
        """What you have stated of yourself, and how many of your answers were approved. No evidence is made of it."""
        return self.told()

    @extend_schema(operation_id="profile_state", request=shapes.StatedProfile)
    def patch(self, request: Request) -> Response:
        """State your languages and country, and that you are old enough to be paid; the last is said once."""
        earning.state(self.worker(), **self.asked(shapes.StatedProfile))
        return self.told()

    def told(self) -> Response:
        worker = self.worker()
        facts = {"languages": worker.languages, "country": worker.country}
        paid = {"of_age_at": worker.of_age_at, "may_earn": worker.may_earn}
        return self.answer({**facts, **paid, "record": totals.share(worker)})


class MyGrants(WorkView):
    serializer_class = shapes.MyGrantSerializer
    queryset = Grant.objects.none()

    @extend_schema(operation_id="my_grants_list", responses=shapes.MyGrantSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What you hold and held, newest first."""
        named = ("qualification__organisation", "qualification__project__organisation")
        return self.page(self.worker().grants.select_related(*named))


class MyGroups(WorkView):
    serializer_class = shapes.MyGroupSerializer
    queryset = GroupMember.objects.none()

    @extend_schema(operation_id="my_groups_list", responses=shapes.MyGroupSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The groups you are in."""
        return self.page(groups.of(self.worker()))


class Leave(WorkView):
    @extend_schema(operation_id="my_groups_leave", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Leave a group."""
        worker = self.worker()
        groups.leave(get_object_or_404(groups.of(worker), group__public_id=id).group, worker)
        return Response(status=204)


class MyInvitations(WorkView):
    serializer_class: Any = shapes.MyInvitationSerializer
    queryset = Invitation.objects.none()

    @extend_schema(operation_id="my_invitations_list", responses=shapes.MyInvitationSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Groups you are asked into, by an address that you have confirmed."""
        return self.page(groups.invitations_of(person(request)))


class Accept(WorkView):
    @extend_schema(operation_id="my_invitations_accept", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Enter the group."""
        mine = groups.invitations_of(person(request))
        groups.accept(get_object_or_404(mine, public_id=id), self.worker())
        return Response(status=204)


class Credentials(WorkView):
    serializer_class = shapes.QualificationSerializer
    queryset = Qualification.objects.none()

    @extend_schema(operation_id="credentials_list", responses=shapes.QualificationSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The credentials that this site verifies."""
        return self.page(Qualification.objects.filter(kind=Qualification.Kind.SITE))


class AskForCredential(WorkView):
    serializer_class = shapes.MyCredentialRequest

    @extend_schema(
        operation_id="credentials_ask", request=shapes.AskSerializer, responses={201: shapes.MyCredentialRequest}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Ask that an admin verify that you have it."""
        site = Qualification.objects.filter(kind=Qualification.Kind.SITE)
        statement = self.asked(shapes.AskSerializer)["statement"]
        return self.answer(credentials.ask(self.worker(), get_object_or_404(site, public_id=id), statement), 201)


class MyCredentialRequests(WorkView):
    serializer_class = shapes.MyCredentialRequest
    queryset = CredentialRequest.objects.none()

    @extend_schema(operation_id="my_credential_requests_list", responses=shapes.MyCredentialRequest(many=True))
    def get(self, request: Request) -> Response:
        """What you have asked to be verified, and what became of it."""
        return self.page(self.worker().credential_requests.select_related("qualification"))


class DefineCredential(FilteredView):
    scope = ApiKey.Scope.ADMIN
    serializer_class = shapes.QualificationSerializer

    @extend_schema(operation_id="credentials_define", responses={201: shapes.QualificationSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Make a credential that admins verify; for staff."""
        asked = self.asked(shapes.QualificationSerializer)
        return self.answer(qualifications.define_credential(person(request), **asked), 201)


class RequestFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=CredentialRequest.State.choices)


class OfRequests(FilteredView):
    scope = ApiKey.Scope.ADMIN
    serializer_class: Any = shapes.CredentialRequestSerializer
    queryset = CredentialRequest.objects.none()
    filterset_class = RequestFilter

    def get_queryset(self) -> "QuerySet[CredentialRequest]":
        everything = CredentialRequest.objects.select_related("worker", "qualification")
        return everything if person(self.request).is_staff else everything.none()


class CredentialRequests(OfRequests):
    @extend_schema(operation_id="credential_requests_list", responses=shapes.CredentialRequestSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What workers ask to be verified; for staff."""
        return self.page(self.get_queryset())


class Verify(OfRequests):
    @extend_schema(operation_id="credential_requests_verify", request=shapes.VerifySerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Grant what was asked for."""
        found = self.get_object()
        credentials.verify(found, person(request), **self.asked(shapes.VerifySerializer))
        return self.answer(found)


class Decline(OfRequests):
    @extend_schema(operation_id="credential_requests_decline", request=shapes.DeclineSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Do not grant it, with a reason the worker reads."""
        found = self.get_object()
        credentials.decline(found, person(request), self.asked(shapes.DeclineSerializer)["reason"])
        return self.answer(found)
