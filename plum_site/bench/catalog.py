"""The ranked catalog of a member over HTTP, against the bare SELECT of the same rows."""

import json
from array import array
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from time import perf_counter
from typing import Any

from django.db import connection

from offers.models import Offer
from offers.services import save_ranking, save_segment
from partners.models import Program
from plum_site.bench.lab import Lab
from plum_site.bench.ledger import OFFERS, REGIONS, UNITS, make_stocked, scatter
from plum_site.bench.posting import need_postgresql
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median, percentile
from plum_site.bench.site import Site, running_site, send
from plum_site.bench.traffic import Prepared
from plum_site.lib.audit import SYSTEM
from plum_site.lib.choices import Scope
from plum_site.lib.clock import now
from plum_site.lib.tokens import create_token

PATH = "/api/v1/catalog"
GOAL, FLOOR = 30, 60  # ms, p95
AGAINST_BARE = (8, 16)  # ×, of the median
LIMIT = 100
SETS = UNITS * REGIONS
CONNECTIONS = 2  # one for each process of the web part
PINS, HIDDEN = 5, 20  # of each ranking
# What one page shows, asked of the database alone by the ids of the page.
BARE = """
SELECT o.external_id, p.external_id, p.name, c.code, o.offer_type, o.category, o.face_value, o.face_value_currency,
  o.starts_date, o.ends_date, l.number, l.title, l.text, l.creative_url, l.terms
FROM offers_offer o JOIN partners_partner p ON p.id = o.partner_id JOIN partners_category c ON c.id = p.category_id
JOIN LATERAL (SELECT * FROM offers_listing x WHERE x.offer_id = o.id ORDER BY x.number DESC LIMIT 1) l ON TRUE
WHERE o.id = ANY(%s)
"""


@dataclass(frozen=True)
class Expected:
    """What members with one attribute set see: offers by external id, best first, and their row ids."""

    member: str
    names: list[str]
    ids: list[int]


@benchmark("catalog", title="The ranked catalog of a member over HTTP, 3,000 offers", events=2_000)
def measure_catalog(lab: Lab) -> list[Result]:
    """Every round asks for as many pages as there were `--events`, of members of all attribute sets; then the bare SELECT."""
    need_postgresql()
    program, token = make_catalog(lab)
    expected = expect_all(program)
    seconds: list[float] = []
    bare: list[float] = []
    with running_site(lab.folder) as site:
        check_answers(site, token, expected)
        prepared = prepare_requests(lab, token, lab.events)
        for number, name in lab.turns(["catalog", "bare"], lab.rounds):
            taken = ask(site, prepared) if name == "catalog" else select_bare(expected, lab.events)
            if number >= 0:
                (seconds if name == "catalog" else bare).extend(taken)
            lab.say_turn(name, f"p95 {percentile(taken, 95) * 1000:.1f} ms", number, lab.rounds)
        check_answers(site, token, expected)
    lab.programs[program.code] = 0
    return results_of(lab, seconds, bare)


def make_catalog(lab: Lab) -> tuple[Program, str]:
    """3,000 live offers, 24 attribute sets, ten segments with a ranking of their own; a token that may read them."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    program = make_stocked(code="bench", members=SETS, folder=lab.folder, at=at)
    rules = [("business_unit", f"unit{n}") for n in range(UNITS)] + [("region", f"region{n}") for n in range(REGIONS)]
    for number, (attribute, value) in enumerate(rules, 1):
        rule = [{"attribute": attribute, "operator": "is", "values": [value]}]
        segment, _made = save_segment(program_id=program.pk, code=value, name=value, rule=rule, actor=SYSTEM, at=at)
        save_ranking(program_id=program.pk, segment_id=segment.pk, actor=SYSTEM, at=at, **make_ranking(program, number))
    _token, secret = create_token(
        program_id=program.pk,
        name="bench",
        scopes=[Scope.CATALOG_READ],
        is_sandbox=False,
        expires_at=now() + timedelta(days=2),
        actor=SYSTEM,
        at=now(),
    )
    lab.say(f"bench: {OFFERS:,} offers and {len(rules)} rankings of segments made")
    return program, secret


def make_ranking(program: Program, number: int) -> dict[str, Any]:
    """The n-th order: scattered by its number, some pinned to the first places, some hidden."""
    ids = list(Offer.objects.filter(program=program).order_by("pk").values_list("pk", flat=True))
    order = sorted(ids, key=lambda pk: scatter(pk * 64 + number))
    pinned = {pk: 2 * place + 1 for place, pk in enumerate(order[-PINS:])}
    return {"offer_ids": order, "pinned": pinned, "hidden": order[PINS : PINS + HIDDEN]}


def expect_all(program: Program) -> list[Expected]:
    """What each attribute set must see, worked out from the orders that were saved and from nothing else."""
    names = dict(Offer.objects.filter(program=program).values_list("pk", "external_id"))
    found = []
    for number in range(SETS):
        unit, region = number % UNITS + 1, UNITS + number // UNITS % REGIONS + 1
        # The ranking that was made last is looked at first: the region's.
        ranking, other = make_ranking(program, region), make_ranking(program, unit)
        hidden = {*ranking["hidden"], *other["hidden"]}
        pinned = {place: pk for pk, place in ranking["pinned"].items() if pk not in hidden}
        line = [pk for pk in ranking["offer_ids"] if pk not in hidden and pk not in pinned.values()]
        for place in sorted(pinned):
            line.insert(place - 1, pinned[place])
        found.append(Expected(f"M{number}", [names[pk] for pk in line], line))
    return found


def check_answers(site: Site, token: str, expected: Sequence[Expected]) -> None:
    """Every set's catalog from its first page to its last; RuntimeError where an offer or a place is another one."""
    with closing(HTTPConnection("127.0.0.1", site.ports["web"], timeout=60)) as line:
        for one in expected:
            if read_catalog(line, token, one.member) != list(enumerate(one.names, 1)):
                raise RuntimeError(f"The catalog of {one.member} is not what its rankings say. What was measured does not count.")


def read_catalog(line: HTTPConnection, token: str, member: str) -> list[tuple[int, str]]:
    """Place and offer of everything that a member is shown, page by page; RuntimeError where the API refuses."""
    seen: list[tuple[int, str]] = []
    query, cursor = f"{PATH}?member={member}&limit=500", ""
    while True:
        line.request("GET", query + cursor, headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        body = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{query} was answered with {answer.status}: {body}. Nothing was measured.")
        seen += [(row["position"], row["offer"]) for row in body["data"]]
        if not body["has_more"]:
            return seen
        cursor = f"&cursor={body['next_cursor']}"


def prepare_requests(lab: Lab, token: str, count: int) -> Prepared:
    """The first pages of members of all sets, one request after the other."""
    requests, offsets = lab.folder / "catalog.requests", lab.folder / "catalog.offsets"
    ends = array("Q", [0])
    with requests.open("wb") as file:
        for number in range(count):
            head = f"GET {PATH}?member=M{scatter(number) % SETS}&limit={LIMIT} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            file.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
            ends.append(file.tell())
    offsets.write_bytes(ends.tobytes())
    return Prepared(requests, offsets, count, 0)


def ask(site: Site, prepared: Prepared) -> list[float]:
    """Seconds of each request, over a few connections."""
    seconds: list[float] = send(prepared, port=site.ports["web"], connections=CONNECTIONS)["seconds"]
    return seconds


def select_bare(expected: Sequence[Expected], count: int) -> list[float]:
    """Seconds of the rows of the same pages, as one prepared statement each, read to the end."""
    seconds = []
    connection.ensure_connection()
    with connection.connection.cursor() as cursor:
        for number in range(count):
            page = expected[scatter(number) % SETS].ids[:LIMIT]
            began = perf_counter()
            rows = cursor.execute(BARE, [page], prepare=True).fetchall()
            seconds.append(perf_counter() - began)
            if len(rows) != len(page):
                raise RuntimeError(f"The bare SELECT found {len(rows)} of {len(page)} rows. What was measured does not count.")
    return seconds


def results_of(lab: Lab, seconds: list[float], bare: list[float]) -> list[Result]:
    """The p95 against its goal, and the median against that of the SELECT."""
    figures = {name: {f"p{percent}_ms": round(percentile(taken, percent) * 1000, 2) for percent in (50, 95, 99)}
               for name, taken in (("catalog", seconds), ("bare SELECT", bare))}  # fmt: skip
    lab.notes |= {"offers": OFFERS, "attribute sets": SETS, "rankings of segments": UNITS + REGIONS, "rows of a page": LIMIT}
    lab.notes |= {"connections": CONNECTIONS, "catalogs checked offer by offer": 2 * SETS}
    lab.tables.append(
        {"columns": ["", "p50 ms", "p95 ms", "p99 ms"], "rows": [[name, *one.values()] for name, one in figures.items()]}
    )
    against = median(seconds) / median(bare)
    return [
        Result(f"p95 of a page of {LIMIT} offers", percentile(seconds, 95) * 1000, "ms", GOAL, FLOOR, "lower", figures),
        Result("median of a page to that of the bare SELECT", against, "×", *AGAINST_BARE, "lower"),
    ]
