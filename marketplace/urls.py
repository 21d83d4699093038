"""Every address of the site; the only file below `tasks` that may look up."""

from django.contrib import admin
from django.urls import include, path, re_path

from marketplace.api.missing import Missing

handler500 = "marketplace.core.problems.fault"
urlpatterns = [
    path("api/v1/", include("tasks.api.urls")),  # first what is asked most
    path("api/v1/", include("payments.api.urls")),
    path("api/v1/", include("workers.api.urls")),
    path("api/v1/", include("marketplace.api.urls")),
    path("", include("marketplace.web.urls")),
    path("", include("payments.web.urls")),
    path("", include("workers.web.urls")),
    path("", include("tasks.web.urls")),
    path("accounts/", include("allauth.account.urls")),
    re_path("^_allauth/.*/phone", Missing.as_view()),  # no phone numbers are kept
    path("_allauth/", include("allauth.headless.urls")),
    re_path("^api/", Missing.as_view()),
    path("admin/", admin.site.urls),
]
