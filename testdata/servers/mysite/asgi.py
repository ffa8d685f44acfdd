"""The site for ASGI servers."""
import os

from django.core.asgi import get_asgi_application

import processman.contrib.django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_asgi_application()
processman.contrib.django.start()
