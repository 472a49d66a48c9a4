"""The catalog's benchmark: it asks the real web process, and a catalog that is not as saved ends it."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from offers.models import Offer
from plum_site.bench.catalog import (
    AGAINST_BARE,
    FLOOR,
    GOAL,
    LIMIT,
    SETS,
    check_answers,
    expect_all,
    make_catalog,
    measure_catalog,
)
from plum_site.bench.lab import Lab
from plum_site.bench.site import running_site
from plum_site.lib.errors import InvalidInput


def make_lab(folder: Path) -> Lab:
    return Lab(events=40, rounds=1, folder=folder, say=lambda text: None)


@pytest.mark.django_db
def test_it_needs_postgresql_and_says_so(tmp_path: Path) -> None:
    if connection.vendor == "postgresql":
        return
    with pytest.raises(InvalidInput, match="Nothing was measured"):
        measure_catalog(make_lab(tmp_path))
    assert not Offer.objects.exists()


def test_the_document_names_the_goals_that_are_held(checkout: Path) -> None:
    text = (checkout / "docs/performance.md").read_text()
    assert f"| `catalog` | a page of {LIMIT} offers of a member, 3,000 live, p95 | | ≤ {GOAL} ms | {FLOOR} ms |" in text
    assert f"| a bare SELECT of its rows | ≤ {AGAINST_BARE[0]} | {AGAINST_BARE[1]} |" in text


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_it_measures_pages_and_the_bare_select(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    speed, against = measure_catalog(lab)
    assert (speed.unit, speed.better, speed.goal) == ("ms", "lower", GOAL)
    assert 0 < speed.details["catalog"]["p50_ms"] <= speed.details["catalog"]["p95_ms"] == pytest.approx(speed.ratio, abs=0.01)
    assert against.ratio > 0
    assert lab.notes["catalogs checked offer by offer"] == 2 * SETS


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_catalog_that_is_another_one_ends_it(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    program, token = make_catalog(lab)
    expected = expect_all(program)
    assert len({tuple(one.names) for one in expected}) == SETS
    first = expected[0]
    swapped = replace(first, names=[first.names[1], first.names[0], *first.names[2:]])
    with running_site(tmp_path) as site:
        check_answers(site, token, expected)
        with pytest.raises(RuntimeError, match="The catalog of M0 is not what its rankings say"):
            check_answers(site, token, [swapped])
