"""A worker's own record over HTTP, and deleting an account: parse, call one verb, answer."""

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import IsPerson, person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.core.errors import Invalid, NotFound
from marketplace.sign_in import is_themself
from tasks import erasure, record
from tasks.api import record_shapes as shapes
from tasks.api.batches import download
from tasks.api.work import WorkView
from tasks.exports import person as exports
from workers import documents
from workers.models import ForeignRecord


class MyRecord(WorkView):
    serializer_class = shapes.RecordSerializer

    @extend_schema(operation_id="my_record")
    def get(self, request: Request) -> Response:
        """What you did, how accurate it was, what was decided, and what it paid; the newest 10,000 of each."""
        return self.answer(record.of(self.worker()))


class MyExport(WorkView):
    @extend_schema(operation_id="my_export", responses={(200, exports.JSON_TYPE): OpenApiTypes.OBJECT})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Everything that is recorded about you, as one JSON object."""
        return download("manyhands-my-data.json", exports.JSON_TYPE, exports.write_json(person(request)))


class MyAnswersCsv(WorkView):
    @extend_schema(operation_id="my_answers_csv", responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every answer you handed in, as a table for spreadsheets."""
        return download("manyhands-my-answers.csv", exports.CSV_TYPE, exports.write_answers(person(request)))


class MyPayCsv(WorkView):
    @extend_schema(operation_id="my_pay_csv", responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every amount into your earnings and out of them, as a table for spreadsheets."""
        return download("manyhands-my-pay.csv", exports.CSV_TYPE, exports.write_pay(person(request)))


class SignedRecord(WorkView):
    serializer_class = shapes.DocumentSerializer

    @extend_schema(
        operation_id="my_record_sign", request=shapes.NewSignedRecord, responses={201: shapes.DocumentSerializer}
    )
    @replies.once
    def post(self, request: Request) -> Response:
        """Your record as a small signed document that another site can verify."""
        asked = self.asked(shapes.NewSignedRecord)
        among = {one.name: one for one in record.organisations(self.worker())}
        wanted = asked.get("organisations", [])
        if missing := [name for name in wanted if name not in among]:
            raise NotFound(f"you have not worked for {missing[0]!r}")
        named = [among[name] for name in wanted]
        return self.answer({"document": record.portable(self.worker(), named, asked.get("holder", ""))}, 201)


class VerifyRecord(WorkView):
    serializer_class = shapes.VerifiedSerializer

    @extend_schema(operation_id="records_verify", request=shapes.DocumentSerializer)
    def post(self, request: Request) -> Response:
        """Whether a record was signed by a site that this one trusts, and what it says. Nothing is kept."""
        return self.answer(documents.told(documents.verify(self.asked(shapes.DocumentSerializer)["document"])))


class ForeignRecords(WorkView):
    serializer_class = shapes.ForeignRecordSerializer
    queryset = ForeignRecord.objects.none()

    def get_queryset(self) -> "QuerySet[ForeignRecord]":
        return ForeignRecord.objects.filter(worker=self.worker())

    @extend_schema(operation_id="foreign_records_list", responses=shapes.ForeignRecordSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What other sites said about you, newest first."""
        return self.page(self.get_queryset())

    @extend_schema(
        operation_id="foreign_records_keep",
        request=shapes.DocumentSerializer,
        responses={201: shapes.ForeignRecordSerializer},
    )
    @replies.once
    def post(self, request: Request) -> Response:
        """Keep a record from another site with yours; it must name your id here as its holder."""
        return self.answer(documents.keep(self.worker(), self.asked(shapes.DocumentSerializer)["document"]), 201)


class Erasure(View):
    """Neither with a key: a program shall not delete a person."""

    permission_classes = [IsPerson]
    serializer_class = shapes.ErasureSerializer

    @extend_schema(operation_id="erasure_look")
    def get(self, request: Request) -> Response:
        """What stands in the way of deleting your account; `rest` may be given up."""
        return self.answer({"obstacles": erasure.obstacles(person(request))})

    @extend_schema(operation_id="erasure", request=shapes.EraseSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Delete your account for good, with your password. What stays is told on the page about it."""
        asked = self.asked(shapes.EraseSerializer)
        if not is_themself(request._request, asked["password"]):
            wrong = {"path": "password", "code": "wrong", "message": "this is not your password"}
            raise Invalid("this is not your password", errors=[wrong])
        erasure.erase(person(request), leave_rest=asked["leave_rest"])
        request._request.session.flush()
        return Response(status=204)
