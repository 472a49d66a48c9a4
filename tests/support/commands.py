"""The developer's half of `./plum`: check, fix and test, run inside the dev environment."""

import argparse
import sys

from plum_site.local.door import door
from tests.support.checks import fix, run_checks
from tests.support.phases import PHASES, test

TEST_EXAMPLES = """\
phases:
  unit       everything that needs no PostgreSQL, no killed processes and no browser, on SQLite
  postgres   the tests marked postgres or both_engines, on a real PostgreSQL 17
  faults     real processes, killed in the middle of their work
  browser    the console in a real Chromium

examples:
  ./plum test                                   check, then all phases
  ./plum test --quick                           the fast part of unit, a minute and a half
  ./plum test --only postgres                   one phase
  ./plum test --only unit -- tests/offers -k rank -x
"""


def main(name: str, *arguments: str) -> int:
    """Run one command; its exit status."""
    given, rest = list(arguments), []
    if "--" in given:
        given, rest = given[: given.index("--")], given[given.index("--") + 1 :]
    parser = argparse.ArgumentParser(prog=f"./plum {name}", formatter_class=argparse.RawDescriptionHelpFormatter)
    if name == "test":
        parser.description = (
            "Bring up what the tests need and run them. The last line says how many passed, failed and were skipped."
        )
        parser.epilog = TEST_EXAMPLES
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--quick", action="store_true", help="only fast tests on SQLite; no check, no PostgreSQL, no browser")
        size.add_argument("--long", action="store_true", help="also the full matrices")
        parser.add_argument("--only", choices=PHASES, help="one phase alone, without check")
        options = parser.parse_args(given)
        return test(quick=options.quick, long=options.long, only=options.only, arguments=rest)
    if name == "check":
        parser.description = (
            "Lint, format, types, import contracts, migrations, deployment settings, architecture. Edits nothing."
        )
        parser.parse_args(given)
        return 1 if run_checks(architecture=True)[1] else 0
    parser.description = "Format the code and the templates and mend what the linter can mend."
    parser.parse_args(given)
    return fix()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except door.Stop as fault:
        sys.exit(f"\n{fault}")
    except KeyboardInterrupt:
        sys.exit(130)
