"""The codes that results carry: each is in the one list, and none is in the list that nothing gives."""

import ast
from pathlib import Path

from activity.rules.codes import ITEM_CODES, WARNING_CODES
from plum_site.lib.money import parse_minor

# Calls whose arguments name a code, and which argument it is.
GIVERS = {"Rejection": 0, "_RefusedError": 0, "_Refused": 0, "_refuse": 0, "reject": 2}
FOLDERS = ("activity/api", "activity/rules", "activity/services")


def codes_in(path: Path) -> set[str]:
    """The literal codes that a module gives to events."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        place = GIVERS.get(name)
        if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
            found.add(str(node.args[place].value))
    return found


def test_every_code_that_is_given_is_listed(checkout: Path) -> None:
    given = set().union(*(codes_in(path) for folder in FOLDERS for path in (checkout / folder).glob("*.py")))
    assert len(given) >= 8
    assert given <= set(ITEM_CODES)


def test_every_listed_code_stands_somewhere_in_the_code(checkout: Path) -> None:
    sources = [path for folder in FOLDERS for path in (checkout / folder).glob("*.py") if path.name != "codes.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in [*sources, Path(parse_minor.__code__.co_filename)])
    assert [code for code in {**ITEM_CODES, **WARNING_CODES} if f'"{code}"' not in text] == []
