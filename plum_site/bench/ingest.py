"""Events over HTTP, from the client's first byte until they are sealed, against COPY and against Django REST framework."""

from collections import defaultdict
from contextlib import closing
from functools import partial
from itertools import islice

from plum_site.bench.copying import Copying
from plum_site.bench.drf import AT_ONCE, Reference
from plum_site.bench.lab import Lab
from plum_site.bench.posting import COLUMNS, PATH, Postbox, Sending, Summary, make_door, need_postgresql, row_of
from plum_site.bench.registry import benchmark
from plum_site.bench.results import Result, median
from plum_site.bench.site import database_url, running_site
from plum_site.bench.traffic import MEMBERS_EACH, Prepared, RequestsFile, as_batch, list_traffic
from plum_site.bench.usage import family, largest_peak

CONNECTIONS = 4
GOALS = {1000: (0.25, 0.12), 5000: (0.33, 0.16)}  # events a request: goal and floor, as a share of bare COPY
DRF_GOALS = (45, 22)
DRF_SHARE = 50  # the reference gets one event of so many, as it is that much slower
MEMORY_MB = 150


@benchmark("ingest", title="Events over HTTP, durable, without repeats, sealed with rollups", events=1_200_000)
def measure_ingest(lab: Lab) -> list[Result]:
    """All events are sent once, an equal part in each round and size; the first round is not counted."""
    need_postgresql()
    sizes = {f"{size:,} a request": size for size in GOALS}
    turns = lab.rounds + 1
    part = max(lab.events // (len(sizes) * turns), 1)
    program, token = make_door(lab, max(lab.events // MEMBERS_EACH, 24))
    prepared = prepare(lab, sizes, part, turns, token)
    lab.programs[program.code] = part * len(sizes) * turns
    seconds: dict[str, list[float]] = defaultdict(list)
    sendings: dict[str, list[Sending]] = defaultdict(list)
    with running_site(lab.folder) as site, closing(Reference(site, lab.folder)) as reference:
        at_once = min(AT_ONCE, part)
        requests = max(part // DRF_SHARE // at_once, CONNECTIONS)
        drf = reference.prepare(requests=requests, at_once=at_once, rounds=turns)
        with closing(Copying(lab.folder, database_url())) as copying:
            postbox = Postbox(site)
            for number, name in lab.turns([*sizes, "DRF", "COPY", "COPY, narrow"], lab.rounds):
                if name in sizes:
                    count = prepared[name].count // turns
                    sending = postbox.send(
                        prepared[name], connections=CONNECTIONS, first=(number + 1) * count, count=count, events=part
                    )
                    sendings[name].append(sending)
                    text = f"{sending.answered:.3f} s until answered, {sending.sealed:.3f} s until sealed"
                elif name == "DRF":
                    answer = reference.send(drf, connections=CONNECTIONS, turn=number + 1, rounds=turns)
                    taken = answer["ended"] - answer["began"]
                    sendings[name].append(Sending(requests * at_once, taken, taken, answer["seconds"], {"client": answer["cpu"]}))
                    text = f"{taken:.3f} s"
                else:
                    if number < 0 and not copying.is_prepared:
                        copying.prepare(program.pk, part)
                    table = "narrow" if name.endswith("narrow") else "whole"
                    seconds[name].append(lab.time(partial(copying.run, table)))
                    copying.empty(table)
                    text = f"{seconds[name][-1]:.3f} s"
                lab.say_turn(name, text, number, lab.rounds)
        web = family(site.children["web"].pid)[1:]
        peak = largest_peak(web)
    summaries = {name: Summary(rounds[1:]) for name, rounds in sendings.items()}
    rates = {name: part / median(taken[1:]) for name, taken in seconds.items()}
    return results_of(lab, summaries, rates, peak)


def prepare(lab: Lab, sizes: dict[str, int], part: int, turns: int, token: str) -> dict[str, Prepared]:
    """The requests of every size, in the order in which the rounds send them."""
    events = list_traffic(part * len(sizes) * turns, max(lab.events // MEMBERS_EACH, 24))
    files = {
        name: RequestsFile(lab.folder, f"events-{size}", path=PATH, body_of=as_batch, token=token) for name, size in sizes.items()
    }
    for _turn in range(turns):
        for name, size in sizes.items():
            left = part
            while left:
                batch = list(islice(events, min(size, left)))
                files[name].add(batch)
                left -= len(batch)
    lab.say(f"{part * len(sizes) * turns:,} events prepared as requests")
    return {name: file.close() for name, file in files.items()}


def results_of(lab: Lab, summaries: dict[str, Summary], rates: dict[str, float], peak: float) -> list[Result]:
    """The ratios, and the table beside them."""
    results = []
    for size, (goal, floor) in GOALS.items():
        summary = summaries[f"{size:,} a request"]
        details = summary.as_json() | {
            "ratio_answered": round(summary.answered_rate / rates["COPY"], 4),
            "ratio_to_narrow_copy": round(summary.sealed_rate / rates["COPY, narrow"], 4),
        }
        what = f"{size:,} a request, until sealed"
        results.append(Result(what, summary.sealed_rate / rates["COPY"], "× COPY", goal, floor, details=details))
    drf = summaries["DRF"]
    ratio = summaries["1,000 a request"].sealed_rate / drf.answered_rate
    results.append(Result("1,000 a request, until sealed", ratio, "× DRF bulk_create", *DRF_GOALS, details=drf.as_json()))
    results.append(Result("memory of a web process, peak", peak, "MB", MEMORY_MB, MEMORY_MB, "lower"))
    lab.notes |= {"connections": CONNECTIONS, "events_per_second_of_copy": {name: round(rate) for name, rate in rates.items()}}
    rows = [row_of(name, summary) for name, summary in summaries.items()]
    rows += [[name, f"{rate:,.0f}", *[""] * (len(COLUMNS) - 2)] for name, rate in rates.items()]
    lab.tables.append({"columns": COLUMNS, "rows": rows})
    return results
