"""What every test has: no network, a fixed instant, a database that is put back after real commits."""

import ipaddress
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connections
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from tests.support import template_database

LOOPBACK_NAMES = {"localhost", "", None}
ROOT = Path(__file__).resolve().parent.parent


def is_loopback(host: object) -> bool:
    """Whether a host name or address stays on this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def refuse_network(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: unix sockets and loopback pass, everything else fails the test that tried."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
        host = host.decode() if isinstance(host, bytes) else host
    elif event in {"socket.connect", "socket.sendto"}:
        address = arguments[1]
        if not isinstance(address, tuple):
            return  # the path of a unix socket
        host = address[0]
    else:
        return
    if not is_loopback(host):
        raise RuntimeError(f"Tests may not use the network: {event} to {host!r}")


sys.addaudithook(refuse_network)

# Django would flush after a test with real commits, which the append-only triggers refuse.
TransactionTestCase._fixture_setup = classmethod(lambda cls: template_database.make())
TransactionTestCase._fixture_teardown = lambda test: template_database.restore()

# On a busy machine a slow draw says nothing about the code.
settings.register_profile("plum", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plum")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests marked long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    engine = connections["default"].vendor
    for item in items:
        if "postgres" in item.keywords and engine != "postgresql":
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL: set DATABASE_URL, or run ./plum test"))
        if "long" in item.keywords and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="runs with --long"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """The migrated database; the template that is made of it at first need goes with it."""
    yield
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        template_database.drop()


@pytest.fixture
def at() -> datetime:
    """One fixed instant, for everything that happens "now": a Wednesday morning in July 2026, UTC."""
    return datetime(2026, 7, 15, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that this checkout lies in."""
    return ROOT
