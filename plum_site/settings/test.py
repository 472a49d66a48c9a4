"""For pytest: a state folder of its own, cheap passwords, plain static files; the engine is the one DATABASE_URL names."""

from plum_site.settings import _env

_env.use_temporary_state()

from plum_site.settings.base import *  # noqa: E402, F403 - the state folder must be known first
from plum_site.settings.base import DATABASES, VAR  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True  # nothing is collected for a test run
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file as in production, so that WAL, threads and child processes behave as there; nothing in it need survive.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] += "; PRAGMA synchronous=OFF"
