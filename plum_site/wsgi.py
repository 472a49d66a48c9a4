import contextlib
import ctypes
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from plum_site.lib.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "plum_site.settings.prod")
application = get_wsgi_application()
# Every page is imported here, once, before gunicorn forks: not by the first request that each of its workers gets.
ADDRESSES = get_resolver().url_patterns
settle()
# glibc gives each thread a heap of its own, and what one has freed no other can use: two are enough (M_ARENA_MAX is -8).
with contextlib.suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(-8, 2)
