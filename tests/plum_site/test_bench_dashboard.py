"""The dashboard's benchmark: its ledger is of the stated make, its rollups are true, and what it times is the dashboard."""

from pathlib import Path

import pytest
from django.db import connection

from activity.models import AttributeSet, Event, Member
from activity.services import verify_rollups
from partners.models import Program
from plum_site.bench.dashboard import measure_dashboard
from plum_site.bench.lab import Lab
from plum_site.lib.errors import InvalidInput

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_measures_on_postgresql_only(tmp_path: Path) -> None:
    lab = Lab(events=12_000, rounds=1, folder=tmp_path, say=lambda text: None)
    if connection.vendor != "postgresql":
        with pytest.raises(InvalidInput, match="Nothing was measured"):
            measure_dashboard(lab)
        assert not Program.objects.exists()
        return
    tall, grown, scan = measure_dashboard(lab)
    program = Program.objects.get()
    assert (Event.objects.count(), Member.objects.count(), AttributeSet.objects.count()) == (12_000, 600, 24)
    assert lab.programs == {"bench": 12_000}
    assert [verdict.violations for verdict in verify_rollups(program=program)] == [[]] * 6
    assert set(tall.details) == {"1200 events", "12000 events"}
    assert 0 < tall.ratio < 1000
    assert 0.1 < grown.ratio < 10
    assert scan.ratio > 0
