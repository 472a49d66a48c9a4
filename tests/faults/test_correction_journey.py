"""
From events over HTTP to a corrective action and its verdict, in a running Plum: web server, worker and beat in processes of
their own, people at their browser. The worker is away while the action is approved: nothing is done before it is back.
"""

import json
import time
from typing import Any

import pytest

from tests.faults.checker import UNSEALED, call
from tests.faults.corrections import (
    FALLEN,
    IN_AUGUST,
    IN_JULY,
    IN_JUNE,
    SEGMENT,
    after_the_correction,
    before_the_fall,
    the_fall,
)
from tests.faults.lab import Lab, wait_for
from tests.support.browsing import Caller, Person

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("stocked")]

FLAG_SECONDS = 15  # what a busy machine holds; what it took is in the report, and `bench flag` measures it
STILL_SECONDS = 12  # more than beat's ten: what nobody carries out by then waits for the worker


def test_a_fall_is_seen_corrected_and_measured_by_a_running_system(both: Lab, record_property: Any) -> None:
    lab = both
    lab.travel(IN_JUNE)
    tokens = json.loads(call(lab, "prepare", IN_JUNE.isoformat(), module="corrections"))
    shop, reader = Caller(lab.port, tokens["shop"]), Caller(lab.port, tokens["reader"])
    lab.start_all()
    anna = Person(f"http://127.0.0.1:{lab.port}/console/")
    anna.sign_in("anna", "a long enough password")

    # 1. Half a year as usual; then P4 falls, and its flag is there within seconds of the acknowledgement
    shop.send(before_the_fall())
    wait_for(lambda: lab.count(UNSEALED) == 0, lambda: f"the sealer: {lab.log('worker')[-2000:]}", 60)
    assert reader.get("flags?state=open")["data"] == []
    shop.send(the_fall())
    began = time.monotonic()
    wait_for(lambda: reader.get("flags?state=open")["data"] != [], lambda: f"a flag: {lab.log('worker')[-3000:]}", FLAG_SECONDS)
    took = time.monotonic() - began
    record_property(f"flag after, {lab.engine}", f"{took:.1f} s")
    print(f"{lab.engine}: the flag could be read {took:.1f} s after the acknowledgement")
    [flag] = reader.get("flags?state=open")["data"]
    assert (flag["partner"], flag["rule"], flag["month"]) == (FALLEN, "activation_floor", "2026-06")

    # 2. Diagnosed, and the playbook has proposed; nothing has changed
    diagnosis = reader.get(f"reviews/2026-06/scorecards/{FALLEN}")["diagnosis"]
    assert diagnosis["cause"] == "relevance"
    [row] = reader.get("actions?state=proposed")["data"]
    action = f"actions/{row['id']}"
    proposed = reader.get(action)
    assert (proposed["partner"], proposed["kind"], proposed["flag"]) == (FALLEN, "rerank", flag["id"])
    assert proposed["reason"] == diagnosis["sentence"]
    before = reader.order()
    assert before[-1] == f"O-{FALLEN}"

    # 3. The worker is away. A person makes it one for the north alone, and approves it, in the console: nothing happens
    lab.kill("worker")
    anna.open(f"/console/reviews/correctiveaction/{row['id']}/change/")
    anna.follow("Edit…")
    anna.press("Save", segment=SEGMENT)
    assert "Edited." in anna.words
    anna.follow("Approve…")
    anna.press("Approve", comment="Let people in the north see it.")
    assert "Approved." in anna.words
    time.sleep(STILL_SECONDS)
    assert reader.get(action)["state"] == "scheduled", "without the worker nothing happens"
    assert reader.order(f"?segment={SEGMENT}") == before

    # 4. The worker is back, and does it: the north has another order, everybody else the old one
    lab.start_worker()
    wait_for(lambda: reader.get(action)["state"] == "measuring", lambda: f"it to be done: {lab.log('worker')[-3000:]}", 60)
    assert reader.order(f"?segment={SEGMENT}") == [f"O-{FALLEN}", *before[:-1]]
    assert reader.order() == before
    executed = reader.get(action)
    assert (executed["design"]["method"], executed["design"]["metric"]) == ("matched", "unlock_rate")

    # 5. The month after is better in the north, and as usual elsewhere
    lab.travel(IN_JULY)
    shop.send(after_the_correction())
    wait_for(lambda: lab.count(UNSEALED) == 0, lambda: f"the sealer: {lab.log('worker')[-2000:]}", 60)
    assert reader.get(action)["verdict"] == "", "its window is not over"

    # 6. When the window is over, its verdict is there, and the review of July opens with it
    lab.travel(IN_AUGUST)
    wait_for(lambda: reader.get(action)["state"] == "measured", lambda: f"a verdict: {lab.log('worker')[-3000:]}", 90)
    measured = reader.get(action)
    assert measured["verdict"] == "worked", measured["effect"]
    assert measured["effect"]["low"] > 0
    wait_for(
        lambda: any((review["month"], review["state"]) == ("2026-07", "ready") for review in reader.get("reviews")["data"]),
        lambda: f"the review of July: {lab.log('worker')[-3000:]}",
        90,
    )
    anna.open("/console/reviews/reviewcycle/")
    anna.follow("July 2026")
    assert f"/reviews/correctiveaction/{row['id']}/" in anna.text
    assert "Worked" in anna.words
