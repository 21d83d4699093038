"""The offer over HTTP: parse, call one verb, answer."""

from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace import accounts, datasets, projects
from marketplace.api import serializers as say
from marketplace.api.authentication import HasScope, IsPerson, person
from marketplace.asgi import FORM_MOST_BYTES
from marketplace.core import paging, replies
from marketplace.models import ApiKey, BadRow, Dataset, Import, Membership, Organisation, Project


class View(GenericAPIView[Any]):
    """A view of the offer: only what the caller may see exists."""

    permission_classes = [HasScope]
    scope: str | None = ApiKey.Scope.OFFER
    counted: str | None = None  # the one of settings.LIMITS that a POST is counted as
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    def answer(self, row: Any, status: int = 200) -> Response:
        return Response(self.get_serializer(row).data, status=status)

    def asked(self, serializer: type[say.Strict], partial: bool = False) -> dict[str, Any]:
        """What the body says."""
        given = serializer(data=self.request.data, partial=partial)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)

    def page(self, rows: paging.Rows[Any]) -> Response:
        page = self.paginate_queryset(self.filter_queryset(cast("QuerySet[Any]", rows)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class FilteredView(View):
    """A list that can be narrowed by `filterset_class`; `queryset` tells the API's description of what."""

    filter_backends = [filters.DjangoFilterBackend]


class MeView(View):
    scope = None
    serializer_class = say.Me

    @extend_schema(operation_id="me")
    def get(self, request: Request) -> Response:
        """Who you are."""
        return self.answer(person(request))

    @extend_schema(operation_id="me_rename")
    def patch(self, request: Request) -> Response:
        """Change the name that members of your organisations see."""
        return self.answer(accounts.rename(person(request), self.asked(say.Me)["name"]))


class Keys(View):
    permission_classes = [IsPerson]
    serializer_class = say.ApiKeySerializer

    def get_queryset(self) -> "QuerySet[ApiKey]":
        return ApiKey.objects.filter(user=person(self.request))

    @extend_schema(operation_id="api_keys_list", responses=say.ApiKeySerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your keys, without their secrets."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="api_keys_issue", request=say.NewApiKey, responses={201: say.IssuedApiKey})
    def post(self, request: Request) -> Response:
        """Make a key. No Idempotency-Key is taken here: the secret is not kept, so it cannot be said again."""
        key, secret = accounts.issue_key(person(request), **self.asked(say.NewApiKey))
        return Response({**say.ApiKeySerializer(key).data, "secret": secret}, status=201)


class KeyView(Keys):
    http_method_names = ["delete", "options"]

    @extend_schema(operation_id="api_keys_revoke", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Make a key useless from now on."""
        accounts.revoke_key(self.get_object(), person(request))
        return Response(status=204)


class Organisations(View):
    serializer_class = say.OrganisationSerializer

    def get_queryset(self) -> "QuerySet[Organisation]":
        return Organisation.objects.visible_to(person(self.request))

    @extend_schema(operation_id="organisations_list", responses=say.OrganisationSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The organisations you are a member of."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="organisations_found", responses={201: say.OrganisationSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Make an organisation that you own."""
        name = self.asked(say.OrganisationSerializer)["name"]
        return self.answer(accounts.found(person(request), name), 201)


class OrganisationView(View):
    serializer_class = say.OrganisationSerializer

    def get_queryset(self) -> "QuerySet[Organisation]":
        return Organisation.objects.visible_to(person(self.request))

    @extend_schema(operation_id="organisations_get")
    def get(self, request: Request, id: str) -> Response:
        """One organisation."""
        return self.answer(self.get_object())


class Members(View):
    keyset = "pk"
    serializer_class = say.Member

    def organisation(self) -> Organisation:
        return get_object_or_404(Organisation.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])

    def get_queryset(self) -> "QuerySet[Membership]":
        return self.organisation().memberships.select_related("user")

    @extend_schema(operation_id="members_list", responses=say.Member(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who belongs to an organisation."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="members_add", request=say.NewMember, responses={201: say.Member})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Let somebody in; owners may."""
        member = accounts.add_member(self.organisation(), **self.asked(say.NewMember), by=person(request))
        return self.answer(member, 201)


class MemberView(Members):
    http_method_names = ["patch", "delete", "options"]
    lookup_field = "user__public_id"
    lookup_url_kwarg = "user_id"

    @extend_schema(operation_id="members_change_role")
    def patch(self, request: Request, id: str, user_id: str) -> Response:
        """Give a member another role; owners may."""
        return self.answer(accounts.change_role(self.get_object(), self.asked(say.Member)["role"], person(request)))

    @extend_schema(operation_id="members_remove", responses={204: None})
    def delete(self, request: Request, id: str, user_id: str) -> Response:
        """End a membership; owners may, and everybody their own."""
        accounts.remove_member(self.get_object(), person(request))
        return Response(status=204)


class OrganisationFilter(filters.FilterSet):
    organisation = filters.CharFilter("organisation__public_id")


class ProjectFilter(OrganisationFilter):
    state = filters.ChoiceFilter(choices=Project.State.choices)


class OfOrganisation(FilteredView):
    """Lists that can be narrowed to one organisation."""

    filterset_class: Any = OrganisationFilter

    def home(self, asked: dict[str, Any]) -> Organisation:
        """The organisation that the body names."""
        seen = Organisation.objects.visible_to(person(self.request))
        return get_object_or_404(seen, public_id=asked.pop("organisation"))


class Projects(OfOrganisation):
    filterset_class = ProjectFilter
    queryset = Project.objects.none()
    serializer_class = say.ProjectSerializer

    def get_queryset(self) -> "QuerySet[Project]":
        return Project.objects.visible_to(person(self.request)).select_related("organisation")

    @extend_schema(operation_id="projects_list", responses=say.ProjectSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The projects of your organisations."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="projects_draft", request=say.NewProject, responses={201: say.ProjectSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Draft a project; nobody is offered it before a batch is published."""
        asked = self.asked(say.NewProject)
        return self.answer(projects.draft(self.home(asked), person(request), **asked), 201)


class ProjectView(View):
    serializer_class = say.ProjectSerializer

    def get_queryset(self) -> "QuerySet[Project]":
        return Project.objects.visible_to(person(self.request)).select_related("organisation")

    @extend_schema(operation_id="projects_get")
    def get(self, request: Request, id: str) -> Response:
        """One project."""
        return self.answer(self.get_object())

    @extend_schema(operation_id="projects_revise", request=say.ProjectOffer)
    def patch(self, request: Request, id: str) -> Response:
        """Change the offer for batches to come; published ones keep theirs."""
        changes = self.asked(say.ProjectOffer, partial=True)
        return self.answer(projects.revise(self.get_object(), person(request), **changes))


class Pause(ProjectView):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="projects_pause", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Stop handing out work; what is out may still be submitted."""
        return self.answer(projects.pause(self.get_object(), person(request)))


class Resume(ProjectView):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="projects_resume", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Hand out work again."""
        return self.answer(projects.resume(self.get_object(), person(request)))


class Datasets(OfOrganisation):
    queryset = Dataset.objects.none()
    serializer_class = say.DatasetSerializer

    def get_queryset(self) -> "QuerySet[Dataset]":
        return Dataset.objects.visible_to(person(self.request)).select_related("organisation")

    @extend_schema(operation_id="datasets_list", responses=say.DatasetSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The datasets of your organisations."""
        return self.page(self.get_queryset())

    @extend_schema(operation_id="datasets_create", request=say.NewDataset, responses={201: say.DatasetSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Make an empty dataset."""
        asked = self.asked(say.NewDataset)
        return self.answer(datasets.create(self.home(asked), person(request), asked["name"]), 201)


class DatasetView(View):
    serializer_class = say.DatasetSerializer

    def get_queryset(self) -> "QuerySet[Dataset]":
        return Dataset.objects.visible_to(person(self.request)).select_related("organisation")

    @extend_schema(operation_id="datasets_get")
    def get(self, request: Request, id: str) -> Response:
        """One dataset."""
        return self.answer(self.get_object())


class Imports(View):
    serializer_class = say.ImportSerializer
    parser_classes = [MultiPartParser]

    def dataset(self) -> Dataset:
        return get_object_or_404(Dataset.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])

    @extend_schema(operation_id="imports_list", responses=say.ImportSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The files that were put into a dataset, newest first."""
        return self.page(self.dataset().imports.select_related("dataset"))

    @extend_schema(
        operation_id="imports_start",
        request={"multipart/form-data": say.NewImport},
        responses={201: say.ImportSerializer},
    )
    def post(self, request: Request, id: str) -> Response:
        """Send a file. It is read in the background; ask for the import to see how far it has come.

        No Idempotency-Key is taken: content that is there already makes no second item.
        """
        dataset = self.dataset()
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.IMPORT_MOST_BYTES + FORM_MOST_BYTES:
            raise RequestDataTooBig
        asked = self.asked(say.NewImport)
        if project := asked.pop("project", None):
            asked["project"] = get_object_or_404(Project.objects.visible_to(person(request)), public_id=project)
        return self.answer(datasets.start_import(dataset, person(request), asked.pop("file"), **asked), 201)


class ImportView(View):
    serializer_class = say.ImportSerializer

    def get_queryset(self) -> "QuerySet[Import]":
        seen = Dataset.objects.visible_to(person(self.request))
        return Import.objects.filter(dataset__in=seen).select_related("dataset")

    @extend_schema(operation_id="imports_get")
    def get(self, request: Request, id: str) -> Response:
        """An import and how far it has come."""
        return self.answer(self.get_object())


class BadRows(View):
    keyset = "pk"
    serializer_class = say.BadRowSerializer

    def get_queryset(self) -> "QuerySet[BadRow]":
        seen = Dataset.objects.visible_to(person(self.request))
        found = get_object_or_404(Import.objects.filter(dataset__in=seen), public_id=self.kwargs["id"])
        return found.bad_rows.all()

    @extend_schema(operation_id="imports_bad_rows", responses=say.BadRowSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The rows that were not taken, in the order of the file, each with its reason."""
        return self.page(self.get_queryset())
