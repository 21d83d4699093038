"""Addresses of the offer's pages."""

from django.urls import path

from marketplace.web.views import data, health, home, lessons, organisations, projects

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("account/", home.account, name="account"),
    path("account/keys/", home.api_keys, name="api-keys"),
    path("account/keys/<str:key>/revoke", home.revoke_key, name="revoke-key"),
    path("organisations/", organisations.organisations, name="organisations"),
    path("organisations/<str:organisation>/", organisations.organisation, name="organisation"),
    path("organisations/<str:organisation>/members/", organisations.members, name="members"),
    path(
        "organisations/<str:organisation>/members/<int:membership>/role", organisations.change_role, name="change-role"
    ),
    path(
        "organisations/<str:organisation>/members/<int:membership>/remove",
        organisations.remove_member,
        name="remove-member",
    ),
    path("organisations/<str:organisation>/draft/", projects.draft, name="draft"),
    path("projects/", projects.projects, name="projects"),
    path("projects/<str:project>/edit/", projects.revise, name="revise"),
    path("projects/<str:project>/pause", projects.pause, name="pause"),
    path("projects/<str:project>/resume", projects.resume, name="resume"),
    path("projects/<str:project>/lessons/", lessons.lessons, name="lessons"),
    path("lessons/<str:lesson>/", lessons.revise, name="revise-lesson"),
    path("lessons/<str:lesson>/move/<int:position>", lessons.move, name="move-lesson"),
    path("lessons/<str:lesson>/retire", lessons.retire, name="retire-lesson"),
    path("projects/<str:project>/data/", data.data, name="data"),
    path("imports/<str:run>/", data.import_run, name="import"),
    path("guideline/preview", projects.preview_guideline, name="preview-guideline"),
]
