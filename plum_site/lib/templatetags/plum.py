"""Template filters of the console; what a value looks like is decided in `plum_site.lib.present`."""

from typing import Any

from django import template
from django.db.models.options import Options

from plum_site.lib import present

register = template.Library()

register.filter("count", present.count)
register.filter("rate", present.rate)
register.filter("amounts", present.amounts)
register.filter("instant", present.instant)
register.filter("month", present.month)
register.filter("age", present.age)


@register.filter
def plum_url(opts: "Options[Any]", action: str) -> str:
    """The URL name of one of a model's console pages, such as "history"."""
    return f"admin:{opts.app_label}_{opts.model_name}_{action}"
