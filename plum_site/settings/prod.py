"""Behind a TLS-terminating proxy. Every value that has no safe default is read from the environment or refused."""

from urllib.parse import urlsplit

from plum_site.settings import _env
from plum_site.settings.base import *  # noqa: F403

_env.text("DATABASE_URL", purpose="the database", example="postgres://plum:secret@db.example.org/plum")
_env.text("REDIS_URL", purpose="the Redis-compatible broker", example="redis://broker.example.org:6379/0")
_env.text("PLUM_SMTP_HOST", purpose="the mail server", example="smtp.example.org")
_env.text("PLUM_MAIL_FROM", purpose="the sender of all mail", example="Plum <plum@example.org>")
BASE_URL = _env.text("PLUM_BASE_URL", purpose="the https address people use", example="https://plum.example.org")
SECRET_KEY = _env.text("PLUM_SECRET_KEY", purpose="Django's signing key, 50 characters or more", example="openssl rand -hex 32")
ALLOWED_HOSTS = [urlsplit(BASE_URL).hostname or "invalid"]
CSRF_TRUSTED_ORIGINS = ["{0.scheme}://{0.netloc}".format(urlsplit(BASE_URL))]
PROXIES = _env.quota("PLUM_PROXIES", 1, purpose="how many proxies before the web part add to X-Forwarded-For")
_env.refuse("PLUM_CRASH_POINTS", reason="it lets processes be killed by a file, for the tests of what survives")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-sessionid"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrftoken"
