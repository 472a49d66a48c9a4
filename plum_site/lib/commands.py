"""
The base of every `manage.py` command of Plum: one way to print, to show progress and to fail.

Exit status: 0 what was asked for holds, 1 it does not (the command says which), 2 it could not be done at all
(a wrong argument or a DomainError; nothing was changed).
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NoReturn, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from plum_site.lib.errors import DomainError, InvalidInput
from plum_site.lib.memory import settle
from plum_site.lib.models import User
from plum_site.lib.periods import parse_month

COULD_NOT = 2  # the exit status where nothing could be done
INTERRUPTED = 130  # after Ctrl-C


def day(text: str) -> date:
    """An argument type: `YYYY-MM-DD` as a date."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day has no zone
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date. Write it as YYYY-MM-DD, for example 2026-03-01.") from None


def month(text: str) -> date:
    """An argument type: `YYYY-MM` as the first day of that month."""
    try:
        return parse_month(text)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(error.detail) from None


def names(text: str) -> list[str]:
    """An argument type: `a,b,c` as a list, blanks around the commas dropped."""
    return [name.strip() for name in text.split(",") if name.strip()]


def condition(text: str) -> tuple[str, list[str]]:
    """An argument type: `name=a,b` as the name and its values; an empty value is the unknown one."""
    name, equals, values = text.partition("=")
    if not name.strip() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not a condition. Write it as name=value, for example region=north.")
    return name.strip(), [value.strip() for value in values.split(",")]


def find_user(username: str) -> User:
    """The active person that `--as` names; InvalidInput with what to do otherwise."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise InvalidInput(
            "unknown_user",
            f"There is no active user {username!r}. Nothing was changed. Name one who may sign in, "
            "or make one: ./plum manage createsuperuser.",
        )
    return user


class HelpWithExamples(DjangoHelpFormatter):
    """Django's help, with the lines of the example kept as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith("example:") else super()._fill_text(text, width, indent)


class Steps:
    """What `progress` gives: moves a bar on a terminal and is silent elsewhere."""

    def __init__(self, bar: Progress | None, task: TaskID | None) -> None:
        self._bar, self._task = bar, task

    def advance(self, count: float = 1) -> None:
        """So much more is done."""
        if self._bar and self._task is not None:
            self._bar.advance(self._task, count)

    def reach(self, done: float, total: float | None = None) -> None:
        """So much is done by now, of so much in all."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        """What is being done just now, shown behind the bar."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, note=text)


class PlumCommand(BaseCommand):
    """
    A command that reports as a table or as JSON.

    Subclasses set `help`, and `example`: one or more complete command lines, shown by --help; they add their
    arguments in `add_arguments` and do their work in `handle`, calling one service or selector. With
    `reports = False` there is no --format; `interrupted` is what Ctrl-C leaves to say.
    """

    example = ""
    interrupted = "Interrupted."
    reports = True
    requires_system_checks = []  # they cost a second each time; `./plum check` runs them
    as_json = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a process of its own; Ctrl-C becomes `interrupted` on standard error and the exit status that shells expect."""
        settle()
        try:
            super().run_from_argv(argv)
        except KeyboardInterrupt:
            self.stderr.write(self.interrupted)
            sys.exit(INTERRUPTED)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Django's parser, with the examples below the options and --format before them."""
        if self.example:
            lines = "\n".join(f"  {line.strip()}" for line in self.example.strip().splitlines())
            options |= {"epilog": f"example:\n{lines}", "formatter_class": HelpWithExamples}
        parser = super().create_parser(prog_name, subcommand, **options)
        if self.reports:
            parser.add_argument(
                "--format",
                choices=["table", "json"],
                default="table",
                help="how the result is printed; with json nothing but the JSON goes to standard output",
            )
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run `handle`; a DomainError becomes its text on standard error and exit status 2."""
        self.as_json = options.get("format") == "json"
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            lines = [error.detail, *(f"  {name}: {text}" for name, text in error.fields.items())]
            failure = CommandError("\n".join(lines), returncode=getattr(error, "exit_code", COULD_NOT))
            if not self._is_shell(options):
                raise failure from error
        except CommandError as error:
            if not self._is_shell(options):
                raise
            failure = error
        self.stderr.write(str(failure))
        sys.exit(failure.returncode)

    def _is_shell(self, options: dict[str, Any]) -> bool:
        """Whether a person reads the error: not code that called the command, nor somebody who wants the traceback."""
        return getattr(self, "_called_from_command_line", False) and not options.get("traceback")

    def fail(self, text: str, exit_code: int = 1) -> NoReturn:
        """End with a sentence on standard error and this exit status."""
        raise CommandError(text, returncode=exit_code)

    def print_json(self, value: Any) -> None:
        """Write one JSON value on one line to standard output; keys in the order they were given."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain))

    def print_table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> None:
        """Write a table to standard output: numbers to the right, empty values as a dash, full width in a pipe."""
        table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        cells = [list(row) for row in rows]
        for index, header in enumerate(headers):
            numeric = bool(cells) and all(isinstance(row[index], int | float) or row[index] is None for row in cells)
            table.add_column(header, justify="right" if numeric else "left", overflow="fold")
        for row in cells:
            table.add_row(*(Text("–" if cell is None else str(cell)) for cell in row))
        console = self._console()
        with console.capture() as text:
            console.print(table)
        # The blanks that fill up columns would only break lines, here and wherever the text is shown again.
        self.stdout.write("\n".join(line.rstrip() for line in text.get().splitlines()))

    def say(self, text: str) -> None:
        """A sentence for people: to standard output, or to standard error where standard output holds JSON."""
        (self.stderr if self.as_json else self.stdout).write(text, lambda line: line)

    @contextmanager
    def progress(self, total: float | None, label: str) -> Iterator[Steps]:
        """A bar on standard error while it is a terminal, nothing otherwise; `total` None where it is not known yet."""
        stream: TextIO = getattr(self.stderr, "_out", sys.stderr)
        if not stream.isatty():
            yield Steps(None, None)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=Console(file=stream), transient=True) as bar:
            yield Steps(bar, bar.add_task(label, total=total, note=""))

    def _console(self) -> Console:
        stream: TextIO = getattr(self.stdout, "_out", sys.stdout)
        # A pipe has no width: tables are then as wide as their text, so that nothing is cut for grep.
        return Console(file=stream, width=None if stream.isatty() else 500, highlight=False, soft_wrap=False)


def _plain(value: Any) -> Any:
    """Dates and instants as ISO 8601 with microseconds kept; anything else is a mistake of the caller."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
