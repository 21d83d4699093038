"""Addresses of the pages about people."""

from django.urls import path

from workers.web import views

urlpatterns = [
    path("notices/", views.notices, name="notices"),
    path("notices/read", views.read_all, name="read-notices"),
    path("notices/choices/", views.choices, name="notice-choices"),
    path("notices/<str:notice>/open", views.open_notice, name="open-notice"),
]
