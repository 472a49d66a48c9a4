"""The Celery application: messages are wake-ups that carry ids; what is due is decided in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "plum_site.settings.dev")
app = Celery("plum", include=["plum_site.tasks"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # also for threads that did not import this module: web threads, the sender of wake-ups
