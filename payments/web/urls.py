"""Addresses of the pages about money."""

from django.urls import path

from payments.web import views, webhooks

urlpatterns = [
    path("organisations/<str:organisation>/money/", views.money, name="money"),
    path("webhooks/stripe", webhooks.stripe, name="stripe-webhook"),
    path("payouts/", views.request_payout, name="request-payout"),
]
