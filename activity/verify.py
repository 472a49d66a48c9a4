"""The checks of `manage.py verify ledger` and `verify rollups`, one line per program and check."""

from collections.abc import Iterable, Iterator

from activity.services.message_checks import verify_messages
from activity.services.verification import Verdict, verify_ledger, verify_protection, verify_rollups
from partners.selectors import list_programs
from plum_site.lib.verify import Finding, check


def _findings(program: str, verdicts: Iterable[Verdict]) -> Iterator[Finding]:
    for verdict in verdicts:
        yield Finding(f"{program}: {verdict.name}", verdict.checked, verdict.violations)


@check("ledger")
def check_ledger() -> Iterator[Finding]:
    """Every event, batch, seal, identity and anchored head; and that nothing lets rows be edited."""
    yield from _findings("ledger", verify_protection())
    for program in list_programs():
        yield from _findings(program.code, verify_ledger(program=program))


@check("ledger")
def check_messages() -> Iterator[Finding]:
    """Every message, against its identity: they stand beside the ledger, without hashes."""
    for program in list_programs():
        yield from _findings(program.code, [verify_messages(program=program)])


@check("rollups")
def check_rollups() -> Iterator[Finding]:
    """Every rollup cell."""
    for program in list_programs():
        yield from _findings(program.code, verify_rollups(program=program))
