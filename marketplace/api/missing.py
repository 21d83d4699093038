"""What there is at an address of the API that does not exist: a problem, like every refusal."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from marketplace.core.errors import NotFound


@extend_schema(exclude=True)
class Missing(APIView):
    permission_classes = []

    def initial(self, request: Request, *args: object, **options: object) -> None:
        raise NotFound("there is no such address; /api/v1/docs/ lists those there are")
