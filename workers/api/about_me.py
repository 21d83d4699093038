"""What a worker freely says of themself, over HTTP; for that worker alone."""

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.models import ApiKey
from workers import profiles, self_descriptions
from workers.api import about_me_shapes as shapes


class AboutMe(View):
    scope = ApiKey.Scope.WORK
    serializer_class = shapes.AboutMe

    @extend_schema(operation_id="about_me")
    def get(self, request: Request) -> Response:
        """What you say of yourself for reports over groups, and what may be said."""
        said = self_descriptions.of(profiles.of(person(request)))
        questions = [
            {
                "name": question.name,
                "words": question.words,
                "choices": [{"value": value, "title": title} for value, title in question.choices.items()],
                "said": said.get(question.name, self_descriptions.NOT_SAID),
            }
            for question in self_descriptions.QUESTIONS
        ]
        return self.answer({"questions": questions, "group_least": settings.GROUP_LEAST})

    @extend_schema(operation_id="about_me_say", request=shapes.SayAboutMe)
    def patch(self, request: Request) -> Response:
        """Say something of yourself, or take it back; questions you do not name stay as they are."""
        self_descriptions.say(profiles.of(person(request)), **self.asked(shapes.SayAboutMe))
        return self.get(request)

    @extend_schema(operation_id="about_me_withdraw", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Take back all you said of yourself; it is deleted at once."""
        self_descriptions.withdraw(profiles.of(person(request)))
        return Response(status=204)
