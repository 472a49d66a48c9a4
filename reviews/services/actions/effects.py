"""How an action's effect is told: the design frozen with the approval, measured once its window is over."""

from datetime import datetime
from typing import Any

from reviews.models import CorrectiveAction


def freeze_design(action: CorrectiveAction, starts_at: datetime) -> dict[str, Any] | None:
    """
    The design that an action's effect will be told by, from the day it is carried out; None where there is nothing to tell.

    Shape: JSON of an EffectDesign.
    """
    return None


def begin_measuring(action: CorrectiveAction, at: datetime) -> None:
    """Let the window of the measurement begin, for what has a design. Writes: reviews_correctiveaction, its log."""
