"""One event a request from many clients at once, against one `save` of Django REST framework."""

from contextlib import closing

from plum_site.bench.drf import Reference
from plum_site.bench.lab import Lab
from plum_site.bench.posting import COLUMNS, PATH, Postbox, Sending, Summary, make_door, need_postgresql, row_of
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result
from plum_site.bench.site import running_site
from plum_site.bench.traffic import MEMBERS_EACH, RequestsFile, as_single, in_parts, list_traffic

CONNECTIONS = 32
GOALS = (10, 4)
DRF_SHARE = 8  # the reference gets one event of so many
PLUM, DRF = "one a request", "DRF save"


@benchmark("ingest-single", title="One event a request over HTTP, durable, 32 connections", events=48_000)
def measure_single(lab: Lab) -> list[Result]:
    """All events are sent once, an equal part in each round; the first round is not counted."""
    need_postgresql()
    turns = lab.rounds + 1
    part = max(lab.events // turns, 1)
    members = max(lab.events // MEMBERS_EACH, 24)
    program, token = make_door(lab, members)
    lab.programs[program.code] = part * turns
    file = RequestsFile(lab.folder, "singles", path=PATH, body_of=as_single, token=token)
    for one in in_parts(list_traffic(part * turns, members), 1):
        file.add(one)
    prepared = file.close()
    sendings: dict[str, list[Sending]] = {PLUM: [], DRF: []}
    with running_site(lab.folder) as site, closing(Reference(site, lab.folder)) as reference:
        requests = max(part // DRF_SHARE, CONNECTIONS)
        saves = reference.prepare(requests=requests, at_once=1, rounds=turns)
        postbox = Postbox(site)
        for number, name in lab.turns([PLUM, DRF], lab.rounds):
            if name == PLUM:
                first = (number + 1) * part
                sending = postbox.send(prepared, connections=CONNECTIONS, first=first, count=part, events=part)
            else:
                answer = reference.send(saves, connections=CONNECTIONS, turn=number + 1, rounds=turns)
                taken = answer["ended"] - answer["began"]
                sending = Sending(requests, taken, taken, answer["seconds"], {"client": answer["cpu"]})
            sendings[name].append(sending)
            lab.say_turn(name, f"{sending.events / sending.answered:,.0f} events/s until answered", number, lab.rounds)
    plum, drf = (Summary(sendings[name][1:]) for name in (PLUM, DRF))
    details = plum.as_json() | {"ratio_sealed": round(plum.sealed_rate / drf.answered_rate, 4), "drf": drf.as_json()}
    lab.notes["connections"] = CONNECTIONS
    lab.tables.append({"columns": COLUMNS, "rows": [row_of(PLUM, plum), row_of(DRF, drf)]})
    return [
        Result("one a request, until answered", plum.answered_rate / drf.answered_rate, "× DRF save", *GOALS, details=details),
        Result("p99 of a request", plum.request_ms(99) / drf.request_ms(99), "of DRF's", 0.5, 1, "lower"),
    ]
