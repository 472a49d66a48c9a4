"""What tests of quotas share: a counter that begins afresh, and the clock that it goes by."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from plum_site.lib import limits


@pytest.fixture
def fresh_quotas() -> Iterator[None]:
    """Nothing is counted before the test, nor left behind by it."""
    limits.forget_all()
    yield
    limits.forget_all()


@pytest.fixture
def clock() -> Iterator[Any]:
    """Seconds that pass when the test says so."""
    with mock.patch.object(limits.time, "monotonic") as monotonic:
        monotonic.return_value = 1000.0
        yield monotonic
