"""Tasks share a connection to the database, which is looked at before each of them."""

from contextlib import closing
from time import monotonic

import pytest
from celery import signals
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from plum_site.celery import app

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def test_a_task_goes_on_with_the_connection_of_the_one_before() -> None:
    connection.ensure_connection()
    before = connection.connection
    fixup = DjangoWorkerFixup(app)

    for _task in range(3):
        fixup.close_database()
        signals.task_prerun.send(sender=None)
        connection.ensure_connection()

    assert connection.connection is before


def test_one_that_is_too_old_is_opened_anew() -> None:
    connection.ensure_connection()
    before = connection.connection
    connection.close_at = monotonic() - 1

    signals.task_prerun.send(sender=None)
    connection.ensure_connection()

    assert connection.connection is not before


@pytest.mark.postgres
def test_one_that_the_server_has_cut_is_opened_anew() -> None:
    connection.ensure_connection()
    before = connection.connection
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before.info.backend_pid])

    signals.task_prerun.send(sender=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert connection.connection is not before
