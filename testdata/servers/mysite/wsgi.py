"""The site for WSGI servers."""
import os

from django.core.wsgi import get_wsgi_application

import processman.contrib.django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
processman.contrib.django.start()
