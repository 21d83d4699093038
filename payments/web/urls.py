"""Addresses of the pages about money."""

from django.urls import path

from payments.web import views

urlpatterns = [
    path("organisations/<str:organisation>/money/", views.money, name="money"),
    path("webhooks/stripe", views.stripe_webhook, name="stripe-webhook"),
    path("payouts/", views.request_payout, name="request-payout"),
]
