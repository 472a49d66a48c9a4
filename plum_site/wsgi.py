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
# glibc gives each thread a heap of its own, and what one has freed no other can use; it keeps what is large as well, once
# it had that size before. One heap, and what is large goes back at once: M_ARENA_MAX is -8, M_MMAP_THRESHOLD -3,
# M_TRIM_THRESHOLD -1.
with contextlib.suppress(AttributeError, OSError):
    for parameter, value in ((-8, 1), (-3, 64 * 1024), (-1, 128 * 1024)):
        ctypes.CDLL(None).mallopt(parameter, value)
