"""Habits that keep effects visible: no hidden imports, no signals, nothing sent before the commit, no chance in a review."""

import ast
import re

import pytest
from django.apps import apps
from django.db import models

from partners.models import Program
from tests.support.source import APPS, ROOT, calls, code, name, tree

pytestmark = pytest.mark.slow

# What takes effect outside the database, and the one place that may do it.
SENDING = {
    "delay": "plum_site/lib/wakeups.py",
    "apply_async": "plum_site/lib/wakeups.py",
    "send_task": "plum_site/lib/wakeups.py",
    "delay_on_commit": "plum_site/lib/wakeups.py",
    "send_mail": "plum_site/lib/outbox.py",
    "urlopen": "plum_site/lib/outbox.py",
}


def _verb(call: ast.Call) -> str:
    """The last name of what is called: `delay` in `tasks.run.delay(...)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def called(verb: str) -> list[str]:
    """Where something of that name is called."""
    return [f"{name(path)}:{call.lineno}" for path in code() for call in calls(path) if _verb(call) == verb]


@pytest.mark.parametrize(("verb", "home"), SENDING.items())
def test_nothing_is_sent_before_the_commit(verb: str, home: str) -> None:
    assert [place for place in called(verb) if not place.startswith(home)] == []


def test_only_the_job_table_hands_wake_ups_to_the_sender() -> None:
    """`plan` and `wake` do it after the commit; nobody goes past them."""
    found = {name(path) for path in code() for call in calls(path) if _verb(call) == "add" and "SENDER" in ast.unparse(call.func)}

    assert found == {"plum_site/lib/jobs.py"}


def test_few_modules_speak_to_the_network() -> None:
    """
    Addresses that people enter are called by egress alone, which refuses what lies inside; mail has its own server; the
    clients of the benchmarks reach this machine alone.
    """
    network = {"http", "urllib", "requests", "httpx", "socket", "ssl", "smtplib", "ftplib", "telnetlib", "aiohttp"}
    harmless = {"urllib.parse", "HTTPStatus"}
    at_home = {"plum_site/lib/egress.py", "plum_site/lib/mail.py"}
    at_home |= {f"plum_site/bench/{module}.py" for module in ("catalog", "client", "flag")}
    found = set()
    for path in code():
        for node in ast.walk(tree(path)):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            modules = {module} if module else set(named)
            if {one.partition(".")[0] for one in modules - harmless} & network and not set(named) <= harmless:
                found.add(name(path))

    assert {path for path in found if not path.startswith("plum_site/local/")} == at_home


def test_no_import_is_hidden_in_a_name() -> None:
    hidden = {"get_model", "import_module", "__import__"}
    found = [
        f"{name(path)}:{call.lineno}"
        for path in code()
        if path.relative_to(ROOT).parts[0] in APPS
        for call in calls(path)
        if _verb(call) in hidden
    ]

    assert found == []


def test_no_signal_does_work_behind_the_back() -> None:
    """A save that sets off something else cannot be read where it happens; and bulk writes send no signal at all."""
    found = [
        name(path)
        for path in code()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module in {"django.dispatch", "django.db.models.signals"}
    ]

    assert found == []


def test_no_model_does_work_in_save() -> None:
    ours = [model for label in ("plum", *APPS) for model in apps.get_app_config(label).get_models()]

    assert [model.__name__ for model in ours if "save" in vars(model) or "delete" in vars(model)] == []


def test_a_program_is_never_taken_away_with_what_is_in_it() -> None:
    """Nothing is deleted because something else was: whatever belongs to a program protects it."""
    ours = [model for label in ("plum", *APPS) for model in apps.get_app_config(label).get_models()]
    loose = [
        f"{model.__name__}.{field.name}"
        for model in ours
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
        and field.related_model is Program
        and field.remote_field.on_delete not in {models.PROTECT, models.DO_NOTHING}
    ]

    assert loose == []


def test_nothing_is_left_to_chance() -> None:
    """A sample that cannot be drawn again cannot be audited; secrets are made by `secrets` and `os.urandom`."""
    random_order = [name(path) for path in code() if re.search(r"order_by\(\s*[\"']\?", path.read_text())]
    random_module = [
        name(path)
        for path in code()
        if "demo" not in path.parts
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)
    ]

    assert random_order == []
    assert random_module == []


def test_no_exception_is_swallowed() -> None:
    """A bare `except:` or `except Exception: pass` hides the fault that somebody will look for."""
    found = []
    for path in code():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                is_wide = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
                if is_wide and all(isinstance(step, ast.Pass) for step in node.body):
                    found.append(f"{name(path)}:{node.lineno}")

    assert found == []
