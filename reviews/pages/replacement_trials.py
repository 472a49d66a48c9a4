"""The two arms of a trial side by side, for the page of a replacement."""

from datetime import timedelta
from typing import Any

from plum_site.lib.present import SUPPRESSED, Table, count, day
from reviews.selectors.replacements import TrialArm, TrialComparison


def make_trial(compared: TrialComparison) -> Table:
    """What members of each arm did, and whether that is a difference."""
    share, whom = compared.trial.share_percent, compared.trial.segment
    note = f"{share} % of {f'the members of {whom.name}' if whom else 'all members'} see the new offers, by chance. "
    if compared.figures:
        last = compared.ends_date - timedelta(days=1)
        until = "its last whole day" if compared.is_over else "yesterday"
        note += f"From {day(compared.starts_date)} to {day(last)}, {until}; events on the old and the new offers together. "
        note += "Whoever looks every day and stops at the first difference finds one where there is none."
    rows = [
        [figure.metric.capitalize(), *_arm(figure.champion), *_arm(figure.challenger), figure.sentence]
        for figure in compared.figures
    ]
    headers = ["What", "See the old", "For each", "See the new", "For each", "What it says"]
    empty = compared.sentence or "The program records neither activations nor redemptions."
    return Table("The trial", headers, rows, empty, frozenset({1, 2, 3, 4}), note)


def _arm(arm: TrialArm) -> list[Any]:
    if arm.per_member is None:
        return [count(arm.members), SUPPRESSED]
    return [count(arm.members), count(arm.per_member, 3)]
