"""Only services write: every other layer translates or reads."""

import ast
import re
from pathlib import Path

from tests.support.source import calls, code, name, texts

# Services, what they stand on, and the roof's own writers.
WRITERS = ("/services.py", "/services/", "plum_site/lib/", "plum_site/demo/", "plum_site/bench/", "/migrations/")
WRITING = {
    "bulk_create",
    "bulk_update",
    "get_or_create",
    "update_or_create",
    "_raw_delete",
    "aupdate",
    "acreate",
    "adelete",
    "asave",
}
SQL_WRITE = re.compile(r"\s*(?:INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|TRUNCATE\s+\w|COPY\s+\w+.*\bFROM\b)", re.IGNORECASE)


def may_write(path: Path) -> bool:
    return any(part in "/" + name(path) for part in WRITERS)


def writes_rows(call: ast.Call) -> bool:
    """Whether a call looks like the ORM's writing, and not like a dict's, a hash's or a base class's."""
    if not isinstance(call.func, ast.Attribute):
        return False
    verb, owner = call.func.attr, ast.unparse(call.func.value)
    if owner.startswith("super()"):
        return False
    if verb in WRITING or verb == "save":
        return True
    if verb in {"create", "update"}:
        return not call.args and bool(call.keywords) and not owner.endswith(("context", "settings"))
    return verb == "delete" and not call.args and not call.keywords


def test_only_services_write() -> None:
    found = [
        f"{name(path)}:{call.lineno} {ast.unparse(call.func)}"
        for path in code()
        if not may_write(path)
        for call in calls(path)
        if writes_rows(call)
    ]

    assert found == []


def test_only_services_write_by_sql() -> None:
    found = [
        f"{name(path)}:{line}" for path in code() if not may_write(path) for line, text in texts(path) if SQL_WRITE.match(text)
    ]

    assert found == []


def test_the_rule_sees_what_it_must() -> None:
    def verdict(source: str) -> bool:
        return writes_rows(ast.parse(source).body[0].value)  # type: ignore[attr-defined]

    assert all(map(verdict, ["partner.save()", "Offer.objects.create(a=1)", "rows.filter(a=1).update(b=2)", "row.delete()"]))
    assert all(map(verdict, ["Offer.objects.bulk_create(rows)", "Rule.objects.get_or_create(code='a')"]))
    assert not any(map(verdict, ["seen.update(other)", "digest.update(b'')", "super().save(form)", "rows.filter(a=1)"]))
