import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "plum_site.settings.prod")
application = get_wsgi_application()
# Every page is imported here, once, before gunicorn forks: not by the first request that each of its workers gets.
ADDRESSES = get_resolver().url_patterns
