"""
kill -9 in the middle of a load, then the load again: nothing lost, nothing twice (F01, F02).

A kill counts only if some but not all events of that load were stored at that moment. PLUM_KILLS sets how many are
wanted in the long form; PLUM_SEED the moments.
"""

import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from activity.choices import Kind
from plum_site.lib.choices import Scope
from tests.faults.lab import Lab, wait_for
from tests.faults.load import PROGRAM, Client, count_kinds, load_arguments, make_events, make_folder, stored

pytestmark = pytest.mark.faults

FILE_EVENTS, HTTP_EVENTS = 40_000, 5_000
FEWER = (20_000, 3_000)  # still three batches of a file, and a dozen requests
VICTIMS = ("web", "worker", "loader", "web", "worker")  # in turn, so that each has its share
BATCH = 250


@dataclass
class Tally:
    """What became of the kills."""

    counted: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    fractions: list[float] = field(default_factory=list)
    sources: dict[str, int] = field(default_factory=dict)


class Endurance:
    """One lab with everything running, and loads that are cut off in the middle."""

    def __init__(self, lab: Lab, folder: Path, seed: int, sizes: tuple[int, int]) -> None:
        self.lab, self.chance, self.tally = lab, random.Random(seed), Tally()
        self.in_file, self.in_http = sizes
        self.events = list(make_events(self.in_file))
        self.some_events = self.events[: self.in_http]
        self.folder = make_folder(folder, self.events)
        lab.start_broker()
        lab.start_beat()
        lab.start_worker()
        began = time.monotonic()
        assert self.load("calm")["accepted"] == self.in_file
        self.file_seconds = time.monotonic() - began
        arguments = ["--program", PROGRAM, "--name", "load", "--scopes", Scope.EVENTS_WRITE]
        self.token = lab.manage_json("create_token", *arguments)["token"]
        lab.start_web()
        began = time.monotonic()
        assert self.client().send(self.some_events, "calm-web").outcomes["accepted"] == self.in_http
        self.http_seconds = time.monotonic() - began
        self.tally.sources |= {"calm": self.in_file, "calm-web": self.in_http}

    def client(self) -> Client:
        return Client(self.lab, self.token)

    def load(self, source: str) -> dict[str, int]:
        """Load the folder to its end; the outcome counts."""
        counts: dict[str, int] = self.lab.manage_json(*load_arguments(self.folder, source))["events"]
        return counts

    def run(self, kills: int, victims: tuple[str, ...]) -> None:
        """Kill until so many kills count; bounded."""
        for number in range(3 * kills):
            if self.tally.counted.total() == kills:
                return
            victim = victims[number % len(victims)]
            {"web": self.kill_web, "worker": self.kill_worker, "loader": self.kill_loader}[victim](f"{victim}-{number}")

    def wait_for_the_middle(self, source: str, seconds: float) -> None:
        """Until something is stored, and then for a random part of what the rest takes."""
        wait_for(lambda: stored(self.lab, source) > 0, f"the first events of {source}", 60)
        time.sleep(self.chance.uniform(0, seconds))

    def judge(self, victim: str, source: str, total: int) -> int:
        """Count the kill if it hit the middle; how many events were stored by then."""
        kept = stored(self.lab, source)
        if 0 < kept < total:
            self.tally.counted[victim] += 1
            self.tally.fractions.append(round(kept / total, 2))
        else:
            self.tally.missed += 1
            # It was over by then: the calm run, by which the middle is reckoned, met a busier machine than this one.
            self.file_seconds, self.http_seconds = self.file_seconds / 2, self.http_seconds / 2
        self.tally.sources[source] = total
        return kept

    def kill_web(self, source: str) -> None:
        client = self.client()
        sending = client.begin(self.some_events, source)
        self.wait_for_the_middle(source, self.http_seconds * 0.7)
        self.lab.kill("web")
        sending.join()
        kept = self.judge("web", source, self.in_http)
        assert client.acknowledged <= kept <= client.acknowledged + BATCH, "acknowledged is stored; one answer may be lost"
        self.lab.start_web()
        again = self.client().send(self.some_events, source)
        assert not again.is_cut_off
        assert dict(again.outcomes) == {"accepted": self.in_http - kept, "duplicate": kept, "conflict": 0, "rejected": 0}

    def kill_worker(self, source: str) -> None:
        client = self.client()
        sending = client.begin(self.some_events, source)
        self.wait_for_the_middle(source, self.http_seconds * 0.7)
        self.lab.kill("worker")
        self.judge("worker", source, self.in_http)
        sending.join()
        assert (client.is_cut_off, client.outcomes["accepted"]) == (False, self.in_http), "ingest needs no worker"
        self.lab.start_worker()
        again = self.client().send(self.some_events, source)
        assert again.outcomes["duplicate"] == self.in_http

    def kill_loader(self, source: str) -> None:
        self.lab.start_command("loader", *load_arguments(self.folder, source))
        self.wait_for_the_middle(source, self.file_seconds * 0.5)
        self.lab.kill("loader")
        kept = self.judge("loader", source, self.in_file)
        counts = self.load(source)
        expected = {"received": self.in_file, "accepted": self.in_file - kept, "duplicate": kept, "conflict": 0, "rejected": 0}
        assert counts == expected

    def check_everything(self) -> None:
        """Every event once, sealed, rolled up, provable."""
        total = sum(self.tally.sources.values())
        assert {source: stored(self.lab, source) for source in self.tally.sources} == self.tally.sources
        unsealed = "SELECT COUNT(*) FROM activity_ingestbatch b LEFT JOIN activity_seal s ON s.batch_id = b.id WHERE s.id IS NULL"
        wait_for(lambda: self.lab.count(unsealed) == 0, "the sealer", 60)
        assert self.lab.count("SELECT COUNT(*) FROM activity_event") == total
        assert self.lab.count("SELECT COUNT(*) FROM activity_eventidentity") == total
        rows = self.lab.query("SELECT kind, SUM(event_count) FROM activity_dayofferrollup WHERE measure = 1 GROUP BY kind")
        expected: Counter[str] = Counter()
        for size in self.tally.sources.values():
            expected += count_kinds(self.events[:size])
        assert {Kind(kind).label: count for kind, count in rows} == dict(expected)
        self.lab.manage("review_progress", "--wait", "--timeout", "120")
        verified: Any = self.lab.manage("verify", check=False)
        assert verified.returncode == 0, verified.stdout + verified.stderr


def endure(lab: Lab, folder: Path, kills: int, sizes: tuple[int, int], victims: tuple[str, ...] = VICTIMS) -> Tally:
    """So many kills that count, and then everything checked."""
    endurance = Endurance(lab, folder, int(os.environ.get("PLUM_SEED", "1")), sizes)
    endurance.run(kills, victims)
    endurance.check_everything()
    return endurance.tally


def test_a_loader_killed_in_the_middle_goes_on_where_it_was(lab: Lab, tmp_path: Path) -> None:
    """Web server and worker are killed by the short storm (test_storm.py)."""
    tally = endure(lab, tmp_path / "events", 1, FEWER, ("loader",))

    assert dict(tally.counted) == {"loader": 1}, tally


@pytest.mark.long
def test_many_kills_in_the_middle_of_loads(lab: Lab, tmp_path: Path) -> None:
    kills = int(os.environ.get("PLUM_KILLS", "20"))

    tally = endure(lab, tmp_path / "events", kills, (FILE_EVENTS, HTTP_EVENTS))

    print(f"{kills} kills: {dict(tally.counted)}; {tally.missed} missed the middle; stored by then: {tally.fractions}")
    assert tally.counted.total() == kills, tally
    assert min(tally.counted["web"], tally.counted["worker"]) >= kills // 4, tally
