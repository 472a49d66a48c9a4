"""Crash points do nothing unless they are armed, and then kill one process, once; every one has a name of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from plum_site.lib import crashpoints
from tests.faults.points import list_points

HOT = ("activity/rules", "plum_site/lib/keys.py")  # once per event or oftener


def test_a_place_that_cannot_be_armed_costs_an_empty_function() -> None:
    assert crashpoints.crashpoint is crashpoints._go_on
    assert crashpoints.choose("") is crashpoints._go_on
    assert crashpoints._go_on.__code__.co_names == (), "nothing is looked up"


def test_a_place_that_is_not_armed_lets_everybody_by(tmp_path: Path) -> None:
    crashpoints.choose(str(tmp_path))("somewhere")

    assert list(tmp_path.iterdir()) == []


def test_an_armed_place_kills_one_process_once(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    code = (
        f"from django.conf import settings; settings.configure(CRASH_POINTS={str(tmp_path)!r})\n"
        "from plum_site.lib.crashpoints import crashpoint\n"
        "crashpoint('there'); print('before', flush=True)\n"
        "try:\n    crashpoint('here')\nfinally:\n    print('after', flush=True)"
    )

    first, second = (
        subprocess.run([sys.executable, "-c", code], cwd=Path.cwd(), capture_output=True, text=True, check=False) for _ in "ab"
    )

    assert (first.returncode, first.stdout) == (crashpoints.STATUS, "before\n")
    assert (second.returncode, second.stdout) == (0, "before\nafter\n")


def test_every_place_has_its_own_name_and_none_is_passed_per_event() -> None:
    points = list_points()

    assert len({point.name for point in points}) == len(points)
    assert [point for point in points if point.file.startswith(HOT)] == []


@pytest.mark.parametrize("stage", ["ingest", "seal", "job"])
def test_the_whole_way_of_an_event_is_covered(stage: str) -> None:
    assert (
        len([point for point in list_points() if point.name.startswith(f"{stage}.")])
        >= {"ingest": 13, "seal": 8, "job": 6}[stage]
    )
