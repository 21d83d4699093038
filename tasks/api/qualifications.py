"""Qualifications, groups, requirements and tiers over HTTP, for those who ask: parse, call one verb, answer."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import Organisation, Project
from tasks.api import qualifications_shapes as shapes
from workers import groups, lists, qualifications, requirements, tiers
from workers.models import Audience, Grant, Group, GroupMember, Invitation, Qualification


class OfHome(View):
    def organisation(self) -> Organisation:
        seen = Organisation.objects.visible_to(person(self.request))
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class Qualifications(OfHome):
    serializer_class = shapes.QualificationSerializer

    @extend_schema(operation_id="qualifications_list", responses=shapes.QualificationSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What an organisation may ask for: its own qualifications, those of its projects, the site's credentials."""
        return self.page(Qualification.objects.of_organisation(self.organisation()))

    @extend_schema(operation_id="qualifications_define", responses={201: shapes.QualificationSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Make a qualification that the organisation grants."""
        asked = self.asked(shapes.QualificationSerializer)
        return self.answer(qualifications.define(self.organisation(), person(request), **asked), 201)


class OneQualification(View):
    serializer_class: Any = shapes.QualificationSerializer

    def qualification(self) -> Qualification:
        seen = Qualification.objects.visible_to(person(self.request)).select_related("organisation", "project")
        return get_object_or_404(seen, public_id=self.kwargs["id"])

    def home(self, qualification: Qualification) -> Organisation:
        found = qualification.organisation or (qualification.project and qualification.project.organisation)
        assert found, "those of the site are visible to no organisation"
        return found


class QualificationView(OneQualification):
    @extend_schema(operation_id="qualifications_get")
    def get(self, request: Request, id: str) -> Response:
        """One qualification."""
        return self.answer(self.qualification())


class Grants(OneQualification):
    serializer_class = shapes.GrantSerializer
    queryset = Grant.objects.none()

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return dict(super().get_serializer_context())
        return {**super().get_serializer_context(), "organisation": self.home(self.qualification())}

    @extend_schema(operation_id="grants_list", responses=shapes.GrantSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who holds it, and who did: newest first, each worker under a pseudonym."""
        return self.page(self.qualification().grants.select_related("worker"))

    @extend_schema(operation_id="grants_give", request=shapes.NewGrants, responses={201: shapes.GivenSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Grant the organisation's own qualification to workers; all of them, or none."""
        asked = self.asked(shapes.NewGrants)
        listed = [(row["worker"], row["score"]) for row in asked["grants"]]
        listed += lists.read(asked["csv"], scored=True, default=1.0)
        given = qualifications.give(self.qualification(), person(request), listed, asked["days"])
        return Response({"granted": len(given)}, status=201)


class Revoke(OneQualification):
    @extend_schema(operation_id="grants_revoke", request=shapes.RevokeSerializer, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """End a worker's grant of the organisation's own qualification."""
        asked = self.asked(shapes.RevokeSerializer)
        qualifications.revoke(self.qualification(), person(request), asked["worker"], asked["reason"])
        return Response(status=204)


class Groups(OfHome):
    serializer_class = shapes.GroupSerializer

    @extend_schema(operation_id="groups_list", responses=shapes.GroupSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The groups of workers that an organisation has made."""
        return self.page(self.organisation().groups.all())

    @extend_schema(operation_id="groups_found", responses={201: shapes.GroupSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Make a group."""
        asked = self.asked(shapes.GroupSerializer)
        return self.answer(groups.found(self.organisation(), person(request), **asked), 201)


class OneGroup(View):
    serializer_class: Any = shapes.GroupSerializer

    def group(self) -> Group:
        seen = Group.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class GroupView(OneGroup):
    @extend_schema(operation_id="groups_get")
    def get(self, request: Request, id: str) -> Response:
        """One group."""
        return self.answer(self.group())


class GroupMembers(OneGroup):
    serializer_class = shapes.GroupMemberSerializer
    queryset = GroupMember.objects.none()

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return dict(super().get_serializer_context())
        return {**super().get_serializer_context(), "organisation": self.group().organisation}

    @extend_schema(operation_id="group_members_list", responses=shapes.GroupMemberSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who is in it now, newest first."""
        return self.page(groups.members(self.group()))

    @extend_schema(operation_id="group_members_add", request=shapes.ListedWorkers, responses=shapes.AddedSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Put workers in; all of them, or none."""
        asked = self.asked(shapes.ListedWorkers)
        names = [*asked["workers"], *(name for name, _ in lists.read(asked["csv"]))]
        return Response({"added": groups.add(self.group(), person(request), names)})


class RemoveMember(OneGroup):
    @extend_schema(operation_id="group_members_remove", request=shapes.OneWorker, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Take a worker out; leases that are out stay."""
        groups.remove(self.group(), person(request), self.asked(shapes.OneWorker)["worker"])
        return Response(status=204)


class Invitations(OneGroup):
    serializer_class = shapes.InvitationSerializer
    queryset = Invitation.objects.none()

    @extend_schema(operation_id="invitations_list", responses=shapes.InvitationSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who was asked in and has not answered; for managers."""
        return self.page(groups.invitations(self.group(), person(request)))

    @extend_schema(operation_id="invitations_send", responses={201: shapes.InvitationSerializer})
    def post(self, request: Request, id: str) -> Response:
        """Ask somebody in by letter. The answer is the same whether anybody here has this address or not."""
        email = self.asked(shapes.InvitationSerializer)["email"]
        return self.answer(groups.invite(self.group(), person(request), email), 201)


class Withdraw(OneGroup):
    @extend_schema(operation_id="invitations_withdraw", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str, invitation: str) -> Response:
        """Take an invitation back."""
        groups.withdraw(get_object_or_404(self.group().invitations, public_id=invitation), person(request))
        return Response(status=204)


class OfProject(View):
    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class Requirement(OfProject):
    serializer_class = shapes.RequirementTold

    @extend_schema(operation_id="requirement_get")
    def get(self, request: Request, id: str) -> Response:
        """Who may work in a project, in words too, and how many workers that is."""
        return self.told(self.project())

    @extend_schema(operation_id="requirement_set", request=shapes.RequirementSerializer)
    def put(self, request: Request, id: str) -> Response:
        """Say who may work in a project, from the next claim on; leases that are out stay."""
        asked = self.asked(shapes.RequirementSerializer)
        return self.told(requirements.require(self.project(), person(request), asked["requirement"], asked["groups"]))

    def told(self, project: Project) -> Response:
        among = Audience.objects.filter(project=project, ended_at=None).values_list("group__public_id", flat=True)
        return self.answer(
            {
                "requirement": project.requirement,
                "groups": sorted(among),
                "sentences": requirements.describe(project.requirement),
                "qualifying": requirements.how_many(project),
            }
        )


class Tiers(OfProject):
    serializer_class = shapes.TiersSerializer

    @extend_schema(operation_id="tiers_get")
    def get(self, request: Request, id: str) -> Response:
        """Higher prices for those who hold a qualification."""
        return self.answer(self.project())

    @extend_schema(operation_id="tiers_set", request=shapes.TiersSerializer)
    def put(self, request: Request, id: str) -> Response:
        """Set them, for the batches to come."""
        asked = [dict(tier) for tier in self.asked(shapes.TiersSerializer)["tiers"]]
        return self.answer(tiers.offer(self.project(), person(request), asked))
