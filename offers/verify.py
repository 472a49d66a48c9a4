"""The checks of `manage.py verify creatives`: that every picture of the catalog lies where it belongs, as it was brought."""

import hashlib
from collections.abc import Iterator

from offers.models import Creative
from offers.selectors.creatives import SMALL, creative_file
from partners.selectors import list_programs
from plum_site.lib.verify import Finding, check


@check("creatives")
def check_creatives() -> Iterator[Finding]:
    """Every picture of every program: both of its files are there, and the bytes are those that it is named after."""
    for program in list_programs():
        violations, checked = [], 0
        for creative in Creative.objects.filter(program=program).order_by("id").iterator():
            checked += 1
            violations += find_faults(creative)
        yield Finding(f"{program.code}: pictures", checked, violations)


def find_faults(creative: Creative) -> list[str]:
    """What is wrong with the files of one picture, as sentences that say what to do."""
    faults = []
    large, small = creative_file(creative.name), creative_file(f"{creative.sha256}{SMALL}.{creative.extension}")
    again = "bring the same picture again, or take the file from a backup"
    if not large.is_file():
        faults.append(f"the file of picture {creative.pk} is missing: {large}; {again}")
    else:
        with large.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != creative.sha256:
            faults.append(
                f"the file of picture {creative.pk} is damaged: {large} has the SHA-256 {found}; remove it, then {again}"
            )
    if not small.is_file() or not small.stat().st_size:
        faults.append(
            f"the small form of picture {creative.pk} is missing or empty: {small}; remove it if it is there, then {again}"
        )
    return faults
