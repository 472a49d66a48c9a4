"""What workers do for the catalog: each is one service call, safe to run twice."""

from typing import Any

from offers.services import tidy_creatives, turn_day
from offers.services.days import TURN
from plum_site.lib import jobs


@jobs.handler(TURN)
def turn_catalog_day(job: jobs.RunningJob, *, program_id: int, **_: Any) -> dict[str, int]:
    """Begin and end offers by their dates."""
    return turn_day(program_id=program_id, at=job.at)


@jobs.handler("offers.tidy_creatives")
def tidy_pictures(job: jobs.RunningJob, **_: Any) -> dict[str, int]:
    """Remove pictures that nothing shows."""
    return tidy_creatives(at=job.at)
