"""Settings shared by dev, test and prod, in the order of Django's own documentation."""

from pathlib import Path

import dj_database_url

from plum_site.local import sizes
from plum_site.settings import _env, quotas

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR = _env.state_folder(BASE_DIR)
KEYS = VAR / "keys"

SECRET_KEY = _env.secret("PLUM_SECRET_KEY", KEYS, "django.key")
MASTER_KEY = _env.secret_key("PLUM_MASTER_KEY", KEYS, "master.key")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
BASE_URL = _env.text(
    "PLUM_BASE_URL", "http://127.0.0.1:8000", purpose="the address people use", example="https://plum.example.org"
)

INSTALLED_APPS = [
    "plum_site.apps.PlumSiteConfig",
    "exports.apps.ExportsConfig",
    "reviews.apps.ReviewsConfig",
    "activity.apps.ActivityConfig",
    "offers.apps.OffersConfig",
    "partners.apps.PartnersConfig",
    "plum_site.lib.apps.PlumConfig",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "import_export",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "plum_site.middleware.ContentPolicy",
    "plum_site.middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "plum_site.middleware.PageUsers",
    "plum_site.middleware.PageMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "plum_site.urls"
WSGI_APPLICATION = "plum_site.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "plum_site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": dj_database_url.parse(
        _env.text("DATABASE_URL", f"sqlite:///{VAR / 'plum.sqlite3'}", purpose="the database", example="postgres://plum@/plum"),
        conn_max_age=_env.number("PLUM_DATABASE_KEEP_SECONDS", 600, purpose="how long a connection to the database is used"),
        conn_health_checks=True,  # a connection from before a restart of the database is noticed, not tried
    ),
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # docs/adr/0004: durable on power loss, and writers queue instead of failing with "database is locked".
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": _env.number("PLUM_SQLITE_WAIT_SECONDS", 60, purpose="how long a writer waits for its turn"),
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=20000",
    }
else:  # a server that is gone without a word is noticed in seconds, not in the hours of the system's own defaults
    soon = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    DATABASES["default"]["OPTIONS"] = soon | {"tcp_user_timeout": 30_000} | DATABASES["default"].get("OPTIONS", {})
WEB_PROCESSES = _env.number("PLUM_WEB_PROCESSES", sizes.WEB_PROCESSES, purpose="how many processes serve the web part")
WEB_THREADS = _env.number("PLUM_WEB_THREADS", sizes.WEB_THREADS, purpose="how many requests each of them serves at once")
WORKER_PROCESSES = _env.number("PLUM_WORKER_PROCESSES", sizes.WORKER_PROCESSES, purpose="how many jobs a worker runs at once")
MACHINES = _env.number("PLUM_MACHINES", 1, purpose="how many machines run a web part and a worker like this one")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = _env.text(
    "REDIS_URL",
    f"redis+socket://{_env.socket_folder(VAR) / 'valkey.sock'}",
    purpose="the Redis-compatible broker",
    example="redis://localhost:6379/0",
)
JOB_LEASE_SECONDS = _env.number("PLUM_JOB_LEASE_SECONDS", 60, purpose="how long a worker that went silent keeps its job")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # worker and beat wait for the broker as long as it takes
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 4000, "socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A message is a wake-up: it has done its work when a process takes it up; the job of a dead worker comes back by its lease.
# Acknowledged at the end, a task would take its worker down while the broker restarts: kombu 5.7 uses the channel that is gone.
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SOFT_TIME_LIMIT = 3600
CELERY_TASK_TIME_LIMIT = 3660
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 10_000  # tasks over one connection, which plum_site.celery looks after; else each would open one
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "plum_site.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {"dispatch_due": {"task": "plum.dispatch_due", "schedule": 10.0, "options": {"priority": 0}}}

# Without a mail server, mail goes to the mailbox that ./plum up starts.
SMTP_HOST = _env.text(
    "PLUM_SMTP_HOST", f"unix:{_env.socket_folder(VAR) / 'mail.sock'}", purpose="the mail server", example="smtp.example.org"
)
SMTP_PORT = _env.number("PLUM_SMTP_PORT", 587, purpose="the mail server's port")
SMTP_TLS = _env.choice("PLUM_SMTP_TLS", "starttls", ("starttls", "tls", "none"), purpose="how the line to it is encrypted")
SMTP_USER = _env.text("PLUM_SMTP_USER", "", purpose="the name to sign in there with", example="plum")
SMTP_PASSWORD = _env.text("PLUM_SMTP_PASSWORD", "", purpose="its password", example="from your mail provider")
MAIL_FROM = _env.text(
    "PLUM_MAIL_FROM", "Plum <plum@localhost>", purpose="the sender of all mail", example="Plum <plum@example.org>"
)

AUTH_USER_MODEL = "plum.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher", "django.contrib.auth.hashers.PBKDF2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
FORMAT_MODULE_PATH = "plum_site.formats"

STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "plum_site" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = VAR / "media"
# What people bring and take lies there for one day or a few; nobody else on the machine reads it.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# The hash is that of the empty string: plotly.js adds an empty <style> and fills it by script.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}

# The ingest view counts inflated bytes itself and answers 413; Django's own limit would be an HTML 400.
DATA_UPLOAD_MAX_MEMORY_SIZE = 32 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["plum_site.lib.api_access.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["plum_site.lib.api_access.OperationPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "plum_site.lib.api_schema.ApiSchema",
    "EXCEPTION_HANDLER": "plum_site.lib.problems.answer_problem",
    "UNAUTHENTICATED_USER": None,
}

RATE_LIMITS, PROXIES = quotas.RATE_LIMITS, quotas.PROXIES

SPECTACULAR_SETTINGS = {
    "TITLE": "Plum",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Events in; the catalog, metrics, monthly reviews and timelines of one rewards program out. "
    "A token belongs to one program, so no address names one. Errors are RFC 9457 problems. Lists are read page by page.",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v[0-9]",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "PartnerState": "partners.choices.PartnerState",
        "OfferState": "offers.choices.PresentState",
        "ReviewState": "reviews.choices.CycleState",
        **{key: f"reviews.choices.{key}" for key in ("ActionKind", "ActionState", "ContactKind", "FlagState", "LadderName")},
        **{key: f"reviews.choices.{key}" for key in ("HolderState", "ReplacementState", "ReplacementStep", "TimeUnit")},
    },
    **dict.fromkeys(("SWAGGER_UI_DIST", "SWAGGER_UI_FAVICON_HREF"), "SIDECAR"),
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": False, "displayOperationId": False},
    "PREPROCESSING_HOOKS": ["plum_site.lib.api_schema.keep_api"],
}

IMPORT_EXPORT_USE_TRANSACTIONS = True
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

# Addresses that people enter (webhooks) are called by plum_site/lib/egress.py alone.
EGRESS_HTTP = _env.flag("PLUM_EGRESS_HTTP", False, purpose="whether webhooks may use http and any port, for development")
EGRESS_NETWORKS = _env.networks("PLUM_EGRESS_NETWORKS", purpose="the private networks that webhooks may reach")

PERMISSIONS_FILE = BASE_DIR / "plum_site" / "permissions.yaml"
PROGRAM_MODEL = "partners.Program"  # what the `program_id` of the foundation's tables points to; it knows no app by import

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"plum": {"level": "INFO"}},
}
