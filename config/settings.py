"""Settings of the server and of the demo site. Closed by default; the environment opens what is needed.

| variable | default | meaning |
|---|---|---|
| `DURABLE_DATABASE_URL` | a SQLite file in `.durable/` | `postgresql://user:password@host/name` |
| `DURABLE_SECRET_KEY` | made once, kept in `.durable/secret_key` | signs sessions |
| `DURABLE_ALLOWED_HOSTS` | this machine | names under which the server answers, with commas |
| `DURABLE_HTTPS` | off | `1`: only over HTTPS; `proxy`: behind one that sets `X-Forwarded-Proto` |
| `DURABLE_DEBUG` | off | `1` on your own machine; `manage.py rundev` sets it |
| `DURABLE_EXAMPLES` | as `DURABLE_DEBUG` | `1` adds the widget store and the document pipeline |
| `DURABLE_HOME` | `.durable/` beside `manage.py` | where the files above are kept |
"""

import os
from pathlib import Path

from .environment import database, flag, private_folder, secret_key, sqlite, words

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("DURABLE_HOME") or BASE_DIR / ".durable").absolute()
HTTPS = os.environ.get("DURABLE_HTTPS", "") == "proxy" or flag("DURABLE_HTTPS")

DEBUG = flag("DURABLE_DEBUG")
EXAMPLES = flag("DURABLE_EXAMPLES", default=DEBUG)
SECRET_KEY = secret_key(HOME / "secret_key")
ALLOWED_HOSTS = words("DURABLE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "durable",
    "dashboard",
    "api",
]
if EXAMPLES:
    INSTALLED_APPS += ["examples.widget_store", "examples.document_pipeline"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.policy.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
if not DEBUG:
    MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

if url := os.environ.get("DURABLE_DATABASE_URL"):
    DATABASES = {"default": database(url)}
else:
    DATABASES = {"default": sqlite(private_folder(HOME) / "dev.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DURABLE = {"APPLICATION_NAME": os.environ.get("DURABLE_APPLICATION_NAME", "durable")}

if EXAMPLES:
    WIDGET_STORE = {"STAGE_SECONDS": float(os.environ.get("WIDGET_STORE_STAGE_SECONDS", "3"))}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "durable_dashboard:login"
LOGIN_REDIRECT_URL = "durable_dashboard:overview"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# With the finders, the server has its style also before the first collectstatic.
WHITENOISE_USE_FINDERS = True
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
    }

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.SessionAuthentication",
        "knox.auth.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_NAME = "durable_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
# To put a domain on the browsers' preload list is its owner's decision and hard to undo.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
if os.environ.get("DURABLE_HTTPS", "") == "proxy":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": os.environ.get("DURABLE_LOG_LEVEL", "INFO")},
}
