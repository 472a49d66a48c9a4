"""Just enough for one API view on the benchmark's database."""

import dj_database_url

from plum_site.settings import _env

SECRET_KEY = "only-for-benchmarks"  # noqa: S105 - it signs nothing
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["rest_framework", "plum_site.bench.reference"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "plum_site.bench.reference.urls"
DATABASES = {
    "default": dj_database_url.parse(
        _env.text("DATABASE_URL", purpose="the benchmark's database", example="postgres://plum@/plum"), conn_max_age=None
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "UNAUTHENTICATED_USER": None,
}
