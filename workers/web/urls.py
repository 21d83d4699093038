"""Addresses of the pages about people."""

from django.urls import path

from workers.web import views

urlpatterns = [
    path("notices/", views.notices, name="notices"),
    path("notices/read", views.read_all, name="read-notices"),
    path("notices/choices/", views.choices, name="notice-choices"),
    path("about-me/", views.about_me, name="about-me"),
    path("about-me/withdraw", views.withdraw_about_me, name="withdraw-about-me"),
    path("notices/<str:notice>/open", views.open_notice, name="open-notice"),
]
