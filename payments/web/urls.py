"""Addresses of the pages about money."""

from django.urls import path

from payments.web import funding, views, webhooks

urlpatterns = [
    path("organisations/<str:organisation>/money/", funding.money, name="money"),
    path("organisations/<str:organisation>/prepayments/<str:prepayment>/", funding.prepayment, name="prepayment"),
    path("organisations/<str:organisation>/refunds/", funding.request_refund, name="request-refund"),
    path("payouts/", views.request_payout, name="request-payout"),
    path("webhooks/stripe", webhooks.stripe, name="stripe-webhook"),
]
