"""The newest word of the clock, the REST API for superusers, and the page where they log in."""
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

import processman.contrib.django
from processman import ProcessmanError


def clock(_: HttpRequest) -> HttpResponse:
    """Show what the process beside us said last."""
    try:
        lines = processman.contrib.django.manager().logs("clock", lines=1)
        said = lines[0].content if lines else "the clock has not struck yet"
    except ProcessmanError as error:  # the lead may be changing hands: the page goes on without it
        said = str(error)
    return HttpResponse(said, content_type="text/plain")


urlpatterns = [
    path("", clock),
    path("admin/", admin.site.urls),
    path("api/pm/", include("processman.contrib.django.urls")),
]
