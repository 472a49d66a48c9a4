"""The default of `./plum up` and `./plum manage`: one machine, loopback only."""

from plum_site.settings import _env
from plum_site.settings.base import *  # noqa: F403

# Compressing every file ahead costs a newcomer most of a minute; production does it.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}

CRASH_POINTS = _env.for_tests("PLUM_CRASH_POINTS")
