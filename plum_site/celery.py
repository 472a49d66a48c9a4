"""The Celery application: messages are wake-ups that carry ids; what is due is decided in the database."""

import os
from typing import Any

from celery import Celery, signals
from django.db import close_old_connections
from kombu.transport.redis import Channel

from plum_site.lib.memory import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "plum_site.settings.dev")
app = Celery("plum", include=["plum_site.tasks"])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()  # also for threads that did not import this module: web threads, the sender of wake-ups

# A message is a wake-up and nothing is lost with it. Putting unfinished ones back when the connection breaks would be
# tried over the very connection that is gone, and takes the worker down (kombu 5.7): so it is left out.
Channel.do_restore = False


@signals.worker_init.connect
def settle_memory(**_: Any) -> None:
    """Everything is imported, and no process of the worker is made yet."""
    settle()


@signals.task_prerun.connect
def look_after_connections(**_: Any) -> None:
    """
    A task goes on with the connection of the one before, as a request does: unless it is too old or broken, and after it has
    answered once more.
    """
    close_old_connections()
