"""What every command has in common: --help with an example, JSON alone on standard output, errors that help, exit statuses."""

import io
import json
import os
import pty
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError, CommandParser

from plum_site.lib.commands import PlumCommand, day, find_user, month, names
from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.models import User
from tests.support.source import PACKAGES

OURS = sorted(name for name, app in get_commands().items() if str(app).partition(".")[0] in PACKAGES)


class Report(PlumCommand):
    """A command to look at."""

    help = "Report on a month."
    example = """
        ./plum manage report --month 2026-03
        ./plum manage report --month 2026-03 --format json
    """
    fault: BaseException | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--month", type=month, required=True)

    def handle(self, *, month: date, **options: Any) -> None:
        if self.fault:
            raise self.fault
        with self.progress(2, "Reading") as steps:
            steps.note("first")
            steps.advance()
            steps.reach(2, 2)
        if self.as_json:
            self.print_json({"month": month, "at": datetime(2026, 3, 1, 12, 0, 0, 123456), "name": "Bücher"})
        else:
            self.print_table(["partner", "score"], [["[red]Bücher[/red]", 3], [None, 12]], "Scores")
        self.say("All of it was read.")


def run(command: PlumCommand, *arguments: str) -> tuple[int, str, str]:
    """Run a command as the shell does; its exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    command.stdout._out, command.stderr._out = out, err
    try:
        command.run_from_argv(["manage.py", "report", *arguments])
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_json_is_alone_on_standard_output_on_one_line() -> None:
    status, out, err = run(Report(), "--month", "2026-03", "--format", "json")

    assert status == 0
    assert out.count("\n") == 1
    assert json.loads(out) == {"month": "2026-03-01", "at": "2026-03-01T12:00:00.123456", "name": "Bücher"}
    assert err == "All of it was read.\n"


def test_what_has_no_form_in_json_is_a_mistake_and_not_a_guess() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        Report().print_json({"amount": Decimal("1.10")})


def test_a_table_shows_text_as_it_is_and_is_not_cut_in_a_pipe() -> None:
    status, out, err = run(Report(), "--month", "2026-03")

    assert (status, err) == (0, "")
    cells = [line.split() for line in out.splitlines()]
    assert ["[red]Bücher[/red]", "3"] in cells
    assert ["–", "12"] in cells
    assert "\x1b" not in out
    wide = io.StringIO()
    command = Report()
    command.stdout._out = wide
    command.print_table(["text"], [["x" * 300]])
    assert "x" * 300 in wide.getvalue()


def test_a_table_in_a_pipe_has_no_blanks_at_the_end_of_its_lines() -> None:
    out = io.StringIO()
    command = Report()
    command.stdout._out = out
    command.print_table(["text", "note"], [["x" * 30, None], ["y", ""]], title="A title that is shorter than the table is")

    lines = out.getvalue().splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert lines[-1] == "y"
    assert lines[-2] == "x" * 30 + "  –"


def test_progress_is_a_bar_on_a_terminal_and_nothing_in_a_pipe() -> None:
    leader, follower = pty.openpty()
    command = Report()
    with os.fdopen(follower, "w") as terminal:
        command.stderr._out, command.stdout._out = terminal, io.StringIO()
        command.run_from_argv(["manage.py", "report", "--month", "2026-03"])
    shown = ""
    with suppress(OSError):  # the end of a terminal
        while part := os.read(leader, 65536):
            shown += part.decode()
    os.close(leader)

    assert "Reading" in shown
    assert "2/2" in shown


def test_a_domain_error_is_a_sentence_with_its_fields_and_exit_status_2() -> None:
    command = Report()
    command.fault = InvalidInput("invalid", "Nothing was changed.", {"month": "It has not begun."})

    assert run(command, "--month", "2026-03") == (2, "", "Nothing was changed.\n  month: It has not begun.\n")
    called = Report()
    called.fault = command.fault
    with pytest.raises(CommandError) as raised:
        call_command(called, month="2026-03")
    assert raised.value.returncode == 2


def test_ctrl_c_is_a_sentence_and_no_traceback() -> None:
    command = Report()
    command.fault = KeyboardInterrupt()

    assert run(command, "--month", "2026-03") == (130, "", "Interrupted.\n")


def test_an_error_may_choose_its_exit_status() -> None:
    class Undecided(DomainError):
        exit_code = 1

    command = Report()
    command.fault = Undecided("undecided", "Two partners are undecided.")

    assert run(command, "--month", "2026-03")[0] == 1


def test_a_command_fails_with_a_sentence_and_no_traceback() -> None:
    command = Report()
    command.fault = CommandError("3 violations.", returncode=1)

    assert run(command, "--month", "2026-03") == (1, "", "3 violations.\n")


def test_what_nobody_foresaw_keeps_its_traceback() -> None:
    command = Report()
    command.fault = ZeroDivisionError()

    with pytest.raises(ZeroDivisionError):
        run(command, "--month", "2026-03")


def test_wrong_arguments_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Report(), "--month", "March")[0] == 2
    assert "'March' is not a month. Write it as YYYY-MM, for example 2026-03." in capsys.readouterr().err


def test_argument_types() -> None:
    assert day("2026-02-28") == date(2026, 2, 28)
    assert month("2026-02") == date(2026, 2, 1)
    assert names(" a, b,,c ") == ["a", "b", "c"]
    for text in ("2026-02-30", "26-1-1", "today"):
        with pytest.raises(Exception, match="is not a date"):
            day(text)


@pytest.mark.django_db
def test_as_user_finds_people_who_may_sign_in() -> None:
    ada = User.objects.create(username="ada")
    User.objects.create(username="gone", is_active=False)

    assert find_user("ada") == ada
    for name in ("gone", "nobody"):
        with pytest.raises(InvalidInput, match="There is no active user"):
            find_user(name)


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_ours_explains_itself_by_an_example(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, PlumCommand)

    text = command.create_parser("./plum manage", name).format_help()

    assert command.help
    assert f"./plum manage {name}" in text.partition("example:")[2]
    assert text.rstrip().endswith(command.example.strip().splitlines()[-1].strip()), "the example is kept line by line"
    for line in command.example.strip().splitlines():
        arguments = line.split(f"manage {name}", 1)[1].split("#")[0]
        known = {option for action in command.create_parser("x", name)._actions for option in action.option_strings}
        assert {word for word in arguments.split() if word.startswith("--")} <= known
