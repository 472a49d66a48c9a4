"""The playbook: which diagnosis, at which severity and standing, for how long, leads to which proposal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from plum_site.lib.errors import InvalidInput
from reviews.choices import ActionKind, Cause, Severity, Standing
from reviews.rules.actions.params import HOWS, SEGMENT_KINDS, WITH_PLACE, check_params

ANY = ""
AUDIENCES = ("everyone", "carriers")
LONGEST_PERSISTENCE = 24
MOST_LINES = 100
FLAG_IS: dict[str, str] = {Severity.NOTICE: "a notice", Severity.WARNING: "a warning", Severity.CRITICAL: "critical"}
PROPOSED: dict[str, str] = {
    ActionKind.REFRESH_LISTING: "a new listing",
    ActionKind.PROMOTIONAL_PUSH: "a promotional push",
    ActionKind.REPLACE_PARTNER: "to replace the partner",
    ActionKind.PAUSE_OFFER: "to pause the offers",
    ActionKind.CONTACT_PARTNER: "to write to the partner",
}
# Nobody's fault, or not known to be: these never lead to an action.
BLAMELESS = frozenset({Cause.MARKET_WIDE, Cause.POSITION, Cause.TOO_LITTLE_DATA})


@dataclass(frozen=True)
class PlaybookLine:
    """
    One line. cause, severity, standing: what must be found, ANY for anything. months: for how many months on end the flag
    must have stood. kind, params: what is proposed; params may leave words to a person. audience: "everyone", or "carriers":
    the segments that carry the fall.
    """

    cause: str
    kind: str
    severity: str = ANY
    standing: str = ANY
    months: int = 1
    audience: str = "everyone"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What a flag and its diagnosis say. offers, segments: those that carry the fall, by external id and attribute=value."""

    cause: str
    severity: str
    standing: str
    months: int
    offers: Sequence[str] = ()
    segments: Sequence[str] = ()


@dataclass(frozen=True)
class ProposalSpec:
    """What a line proposes for one finding. line: its number from 1."""

    line: int
    kind: str
    params: dict[str, Any]
    segments: tuple[str, ...]


def default_playbook() -> list[PlaybookLine]:
    """
    The playbook of a new program. The first line that fits is taken.

    Shape: PlaybookLines.
    Source: docs/rules/playbook.md
    """
    return [
        PlaybookLine(ANY, ActionKind.REPLACE_PARTNER, standing=Standing.UNDERPERFORMING, months=4),
        PlaybookLine(Cause.AWARENESS, ActionKind.PROMOTIONAL_PUSH, severity=Severity.CRITICAL, audience="carriers"),
        PlaybookLine(Cause.AWARENESS, ActionKind.RERANK, audience="carriers", params={"how": "top"}),
        PlaybookLine(Cause.RELEVANCE, ActionKind.REFRESH_LISTING),
        PlaybookLine(Cause.DELIVERY, ActionKind.PAUSE_OFFER, severity=Severity.CRITICAL),
        PlaybookLine(Cause.DELIVERY, ActionKind.CONTACT_PARTNER),
        PlaybookLine(Cause.FRICTION, ActionKind.PAUSE_OFFER, severity=Severity.CRITICAL),
        PlaybookLine(Cause.FRICTION, ActionKind.CONTACT_PARTNER),
        PlaybookLine(Cause.REVERSALS, ActionKind.CONTACT_PARTNER),
        PlaybookLine(Cause.MIXED, ActionKind.CONTACT_PARTNER),
    ]


def find_proposal(lines: Iterable[PlaybookLine], finding: Finding) -> ProposalSpec | None:
    """
    What the playbook proposes for one finding: its first line that fits, or None.

    Nothing is ever proposed for what is nobody's fault.

    Shape: one ProposalSpec or None. params: of a draft, offers filled in where the kind needs them.
    Source: docs/rules/playbook.md
    """
    if finding.cause in BLAMELESS:
        return None
    for number, line in enumerate(lines, 1):
        if not _fits(line, finding):
            continue
        segments = tuple(finding.segments) if line.audience == "carriers" else ()
        params = {**_start(line.kind, finding.offers), **line.params}
        return ProposalSpec(number, line.kind, params, segments)
    return None


def check_playbook(lines: Sequence[PlaybookLine]) -> None:
    """
    Refuse a playbook that names something unknown or could propose for what is nobody's fault.

    Raises: InvalidInput - invalid_playbook, with a sentence for each line at fault ("line 3").
    """
    fields = {}
    for number, line in enumerate(lines, 1):
        fault = _fault_of(line)
        if fault:
            fields[f"line {number}"] = fault
    if len(lines) > MOST_LINES:
        fields["lines"] = f"At most {MOST_LINES} lines."
    if fields:
        raise InvalidInput("invalid_playbook", "The playbook was not saved; the version in force stays.", fields)


def say_line(line: PlaybookLine) -> str:
    """
    What a line proposes when, in one sentence.

    Shape: text, with a full stop.
    """
    found = []
    if line.cause:
        found.append(f"{Cause(line.cause).label.lower().replace('_', ' ')} is the cause")
    if line.severity:
        found.append(f"the flag is {FLAG_IS[line.severity]}")
    if line.standing:
        found.append(f"the partner's standing is {Standing(line.standing).label.lower()}")
    if line.months > 1:
        found.append(f"the flag has stood for {line.months} months")
    when = f"When {', '.join(found[:-1])}{' and ' if found[1:] else ''}{found[-1]}" if found else "For every flag"
    whom = "for everyone" if line.audience == "everyone" else "for the segments that carry the fall"
    return f"{when}, propose {_say_kind(line)}{f' {whom}' if line.kind in SEGMENT_KINDS else ''}."


def read_lines(rows: Iterable[Mapping[str, Any]]) -> list[PlaybookLine]:
    """
    The lines of a stored playbook.

    Shape: PlaybookLines.
    """
    return [PlaybookLine(**row) for row in rows]


def write_lines(lines: Iterable[PlaybookLine]) -> list[dict[str, Any]]:
    """
    The lines as they are stored.

    Shape: JSON rows.
    """
    return [asdict(line) for line in lines]


def _fits(line: PlaybookLine, finding: Finding) -> bool:
    return (
        line.cause in (ANY, finding.cause)
        and line.severity in (ANY, finding.severity)
        and line.standing in (ANY, finding.standing)
        and finding.months >= line.months
    )


def _say_kind(line: PlaybookLine) -> str:
    """What is proposed, in words."""
    if line.kind != ActionKind.RERANK:
        return PROPOSED[line.kind]
    how = line.params.get("how", "top")
    place = f" {line.params['place']}" if how in WITH_PLACE and "place" in line.params else ""
    return f"to re-rank its offers ({HOWS.get(how, how)}{place})"


def _start(kind: str, offers: Sequence[str]) -> dict[str, Any]:
    """The parameters with which a draft of a kind begins."""
    match kind:
        case ActionKind.RERANK:
            return {"offers": list(offers), "how": "top"}
        case ActionKind.REFRESH_LISTING:
            return {"offers": list(offers[:1])}
        case ActionKind.PAUSE_OFFER:
            return {"offers": list(offers)}
        case ActionKind.PROMOTIONAL_PUSH:
            return {"offers": list(offers), "channels": ["mail"], "hold_out_percent": 10, "pause_days": 14}
    return {}


def _fault_of(line: PlaybookLine) -> str:
    """What is wrong with one line; empty where nothing is."""
    if line.kind not in ActionKind.values:
        return "There is no such kind of action."
    if line.cause not in ("", *Cause.values):
        return "There is no such cause."
    if line.cause in BLAMELESS:
        return "This cause is nobody's fault: no action follows from it."
    if line.severity not in ("", *Severity.values):
        return "There is no such severity."
    if line.standing not in ("", *Standing.values):
        return "There is no such standing."
    if line.audience not in AUDIENCES:
        return "The audience is everyone, or the segments that carry the fall."
    if not 1 <= line.months <= LONGEST_PERSISTENCE:
        return f"A number of months from 1 to {LONGEST_PERSISTENCE}."
    try:
        check_params(line.kind, {**_start(line.kind, ["any"]), **line.params}, is_draft=True)
    except InvalidInput as error:
        return " ".join(error.fields.values()) or str(error)
    return ""
