from django.urls import path

from workers.api import about_me, views

urlpatterns = [
    path("about-me", about_me.AboutMe.as_view()),
    path("notices", views.Notices.as_view()),
    path("notices/read", views.ReadAll.as_view()),
    path("notices/choices", views.Choices.as_view()),
    path("notices/<str:id>/read", views.ReadOne.as_view()),
]
