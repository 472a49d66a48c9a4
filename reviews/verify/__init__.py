"""What `manage.py verify` checks of reviews: the areas cycles and actions."""

from reviews.verify.actions import check_actions
from reviews.verify.cycles import check_cycles
from reviews.verify.ladder import check_ladder
from reviews.verify.replacements import check_replacements

__all__ = ["check_actions", "check_cycles", "check_ladder", "check_replacements"]
