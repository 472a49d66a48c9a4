"""The reference as gunicorn loads it; its tables are made beforehand."""

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ["DJANGO_SETTINGS_MODULE"] = "plum_site.bench.reference.settings"
application = get_wsgi_application()
ADDRESSES = get_resolver().url_patterns
