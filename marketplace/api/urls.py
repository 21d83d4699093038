from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from marketplace.api import guidelines, lessons, openapi, views  # noqa: F401 - the description finds its extensions by import

urlpatterns = [
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="openapi"), name="api-docs"),
    path("me", views.MeView.as_view()),
    path("api-keys", views.Keys.as_view()),
    path("api-keys/<str:id>", views.KeyView.as_view()),
    path("organisations", views.Organisations.as_view()),
    path("organisations/<str:id>", views.OrganisationView.as_view()),
    path("organisations/<str:id>/members", views.Members.as_view()),
    path("organisations/<str:id>/members/<str:user_id>", views.MemberView.as_view()),
    path("projects", views.Projects.as_view()),
    path("projects/<str:id>", views.ProjectView.as_view()),
    path("projects/<str:id>/pause", views.Pause.as_view()),
    path("projects/<str:id>/resume", views.Resume.as_view()),
    path("projects/<str:id>/guidelines", guidelines.Guidelines.as_view()),
    path("projects/<str:id>/guidelines/<int:version>", guidelines.OneGuideline.as_view()),
    path("projects/<str:id>/guidelines/<int:version>/diff", guidelines.Difference.as_view()),
    path("projects/<str:id>/lessons", lessons.Lessons.as_view()),
    path("lessons/<str:id>", lessons.OneLesson.as_view()),
    path("lessons/<str:id>/revise", lessons.ReviseLesson.as_view()),
    path("lessons/<str:id>/move", lessons.MoveLesson.as_view()),
    path("lessons/<str:id>/retire", lessons.RetireLesson.as_view()),
    path("datasets", views.Datasets.as_view()),
    path("datasets/<str:id>", views.DatasetView.as_view()),
    path("datasets/<str:id>/imports", views.Imports.as_view()),
    path("imports/<str:id>", views.ImportView.as_view()),
    path("imports/<str:id>/bad-rows", views.BadRows.as_view()),
]
