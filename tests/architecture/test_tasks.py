"""What is planned or woken by name exists under that name, and is safe to send to an older or newer worker."""

import ast
import inspect

import plum_site.tasks  # noqa: F401 - registers every handler and wakeable
from plum_site import schedule
from plum_site.celery import app
from plum_site.lib.jobs import HANDLERS, WAKEABLES
from tests.support.source import calls, code, name


def named_calls(verb: str) -> dict[str, str]:
    """The names that `jobs.plan(name=...)` or `jobs.wake(...)` are called with, where they are written down; and where."""
    found = {}
    for path in code():
        for call in calls(path):
            called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if called == verb:
                texts = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
                found |= {
                    text.value: name(path) for text in texts if isinstance(text, ast.Constant) and isinstance(text.value, str)
                }
    return found


def test_names_that_are_planned_or_woken_are_registered() -> None:
    assert set(named_calls("plan")) - set(HANDLERS) == set()
    assert set(named_calls("wake")) - set(WAKEABLES) == set()
    assert "activity.seal_ledger" in named_calls("wake")


def test_rows_of_the_schedule_are_registered() -> None:
    assert {row.name for row in schedule.ROWS if row.kind == "job"} <= set(HANDLERS)
    assert {row.name for row in schedule.ROWS if row.kind == "wake"} <= set(WAKEABLES)


def test_names_say_which_app_does_what() -> None:
    for registered, function in {**HANDLERS, **WAKEABLES}.items():
        owner, _, verb = registered.partition(".")
        home = "plum_site" if owner == "plum" else owner

        assert function.__module__.split(".")[0] == home, registered
        assert verb.count("_") >= 1 or verb == "verify", f"{registered}: a verb and a noun"


def test_tasks_take_ids_by_name_and_ignore_what_they_do_not_know() -> None:
    """During an update old and new workers run side by side: an argument more must not fail."""
    own = [task.run for task_name, task in app.tasks.items() if task_name.startswith("plum.")]

    assert len(own) >= 2
    for function in [*own, *HANDLERS.values(), *WAKEABLES.values()]:
        parameters = list(inspect.signature(function).parameters.values())
        kinds = {
            parameter.kind for parameter in parameters if parameter.name != "job" or parameter.kind is parameter.KEYWORD_ONLY
        }
        assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters), function
        assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}, function


def test_beat_has_one_entry() -> None:
    assert [entry["task"] for entry in app.conf.beat_schedule.values()] == ["plum.dispatch_due"]
