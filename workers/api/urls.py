from django.urls import path

from workers.api import views

urlpatterns = [
    path("notices", views.Notices.as_view()),
    path("notices/read", views.ReadAll.as_view()),
    path("notices/choices", views.Choices.as_view()),
    path("notices/<str:id>/read", views.ReadOne.as_view()),
]
