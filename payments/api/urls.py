from django.urls import path

from payments.api import funding, paying, views

urlpatterns = [
    path("organisations/<str:id>/prepayments", funding.Prepayments.as_view()),
    path("organisations/<str:id>/prepayments/<str:prepayment>", funding.OnePrepayment.as_view()),
    path("organisations/<str:id>/prepayments/<str:prepayment>/secret", funding.PrepaymentSecret.as_view()),
    path("organisations/<str:id>/refunds", funding.Refunds.as_view()),
    path("refunds", funding.RefundsToDecide.as_view()),
    path("refunds/<str:id>/propose", funding.Propose.as_view()),
    path("refunds/<str:id>/sign", funding.Sign.as_view()),
    path("refunds/<str:id>/decline", funding.Decline.as_view()),
    path("refunds/<str:id>/try-original", funding.TryOriginal.as_view()),
    path("organisations/<str:id>/balance", views.Balance.as_view()),
    path("earnings", views.EarningsView.as_view()),
    path("earnings/transfers", views.EarnedTransfers.as_view()),
    path("payouts", views.Payouts.as_view()),
    path("payouts/<str:id>", views.PayoutView.as_view()),
    path("payout-account", paying.PayoutAccountView.as_view()),
    path("payout-account/link", paying.Link.as_view()),
    path("payout-account/refresh", paying.Refresh.as_view()),
    path("payout-account/close", paying.Close.as_view()),
    path("payout-account/schedule", paying.ScheduleView.as_view()),
    path("payout-reviews", paying.PayoutReviews.as_view()),
    path("payout-reviews/<str:id>/let-go", paying.LetGo.as_view()),
    path("payout-reviews/<str:id>/refuse", paying.Refuse.as_view()),
]
