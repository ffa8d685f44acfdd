"""The urls of the site, and the middleware that says who answers."""
import os

from django.http import HttpResponse
from django.urls import include, path
from pages import TOKEN, WORKER, page

import processman.contrib.django


def name(get_response):
    """Say in each answer who gave it."""
    def answer(request):
        response = get_response(request)
        response.headers[WORKER] = str(os.getpid())
        return response

    return answer


urlpatterns = [
    path("api/pm/", include(processman.contrib.django.bearer_urls(TOKEN))),
    path("<path:path>", lambda request, path: HttpResponse(page(f"/{path}"))),
]
