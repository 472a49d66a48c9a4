"""What a page needs of a chart: the figure as JSON for `charts.js`, the same rows as a table, and a sentence."""

from dataclasses import dataclass

from plum_site.lib.present import Table


@dataclass(frozen=True)
class Chart:
    """A chart on a page. `json` is plotly's, safe inside a script element; `id` is unique on its page."""

    id: str
    title: str
    summary: str
    json: str
    table: Table
    is_open: bool = False


def safe_json(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
