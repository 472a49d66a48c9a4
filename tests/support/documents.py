"""Tables of the documents, read for tests: an example is written once and holds in both places."""

from tests.support.source import ROOT


def read_table(document: str, heading: str) -> list[dict[str, str]]:
    """The rows of the first table under a second-level heading, by column name."""
    text = (ROOT / document).read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    header, _rule, *rows = [[cell.strip() for cell in line] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]
