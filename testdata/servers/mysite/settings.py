"""The settings of the site."""
from pages import HERE, OPTIONS

BASE_DIR = HERE
SECRET_KEY = "only for tests"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
ASGI_APPLICATION = "mysite.asgi.application"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = ["processman.contrib.django"]
SILENCED_SYSTEM_CHECKS = ["processman.W001"]
MIDDLEWARE = ["mysite.urls.name"]
PROCESSMAN = {name.upper(): value for name, value in OPTIONS.items()}
