from django.urls import path

from payments.api import views

urlpatterns = [
    path("organisations/<str:id>/prepayments", views.Prepayments.as_view()),
    path("organisations/<str:id>/balance", views.Balance.as_view()),
    path("earnings", views.EarningsView.as_view()),
    path("earnings/transfers", views.EarnedTransfers.as_view()),
    path("payouts", views.Payouts.as_view()),
    path("payouts/<str:id>", views.PayoutView.as_view()),
]
