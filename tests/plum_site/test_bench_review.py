"""The benchmark of the review: it compares with DuckDB, which counts the same, and says so where it does not."""

from pathlib import Path

import pytest
from django.db import connection

from activity.models import Event
from partners.models import Program
from plum_site.bench import review
from plum_site.bench.lab import Lab
from plum_site.bench.registry import load_benchmarks
from plum_site.lib.errors import InvalidInput
from reviews.models import ReviewCycle, Scorecard

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def test_the_review_of_a_month_against_duckdb(tmp_path: Path) -> None:
    lab = Lab(events=12_000, rounds=1, folder=tmp_path, say=lambda text: None)
    if connection.vendor != "postgresql":
        with pytest.raises(InvalidInput, match="Nothing was measured"):
            review.measure_review(lab)
        assert not Program.objects.exists()
        return
    [result] = review.measure_review(lab)
    assert Event.objects.count() == 12_000
    assert Scorecard.objects.count() == 300
    assert ReviewCycle.objects.get().state == "ready"
    assert result.ratio > 0
    assert lab.areas == ("rollups",)
    with pytest.raises(AssertionError, match="DuckDB"):
        review.check_equal(Program.objects.get(), [(Scorecard.objects.first().partner_id, *[0] * 15)])


def test_it_is_there_by_name_and_small_unless_told() -> None:
    assert load_benchmarks()["review"].events == 1_000_000
