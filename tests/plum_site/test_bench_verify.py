"""The benchmark of the proof: it proves a ledger that came in through ingest, and finds what is wrong with one."""

from pathlib import Path

import pytest
from django.db import connection

from activity.models import Event
from activity.services.verification import Verdict
from plum_site.bench.lab import Lab
from plum_site.bench.verify import check, measure_verify

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines, pytest.mark.slow]


def test_measures_the_proof_beside_a_plain_read(tmp_path: Path) -> None:
    lab = Lab(events=300, rounds=1, folder=tmp_path, say=lambda text: None)

    ledger, rollups, memory = measure_verify(lab)

    assert Event.objects.count() == 300
    assert set(ledger.details["seconds"]) == {"ledger", "rollups", "count"} | (
        {"copy"} if connection.vendor == "postgresql" else set()
    )
    assert (ledger.goal, ledger.floor, ledger.better) == (5, 15, "lower")
    assert ledger.ratio == pytest.approx(ledger.details["seconds"]["ledger"][0] * 1_000_000 / 300)
    assert rollups.ratio > 0
    assert memory.ratio < 100


@pytest.mark.parametrize("verdict", [Verdict("x", 300, ["event 7 was edited"]), Verdict("x", 299, [])])
def test_a_proof_that_fails_or_skips_rows_is_no_measurement(verdict: Verdict) -> None:
    with pytest.raises(RuntimeError, match="things looked at"):
        check([verdict], 300)
