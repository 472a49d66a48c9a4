"""The crash points of the code, read from the code."""

import ast
from typing import NamedTuple

from tests.support.source import calls, code, name


class Point(NamedTuple):
    """One call of `crashpoint`: its name, and where it stands."""

    name: str
    file: str
    line: int


def list_points(stage: str = "") -> list[Point]:
    """Every crash point, or those of one stage ("ingest"), in the order of the code. A name that is computed is refused."""
    found = []
    for path in code():
        for call in calls(path):
            if getattr(call.func, "id", "") != "crashpoint":
                continue
            given = call.args[0] if len(call.args) == 1 and not call.keywords else None
            if not isinstance(given, ast.Constant) or not isinstance(given.value, str):
                raise AssertionError(f"{name(path)}:{call.lineno}: a crash point is named by one literal text")
            found.append(Point(given.value, name(path), call.lineno))
    return sorted((point for point in found if point.name.startswith(f"{stage}.") or not stage), key=lambda point: point[1:])
