"""The documents are true: every path, symbol, command, flag and link that they name exists."""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from activity.rules import FILE_COLUMNS
from activity.rules.people import PERSON_COLUMNS
from activity.services.canonical import REQUIRED
from offers.rules import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from partners.rules import PARTNER_COLUMNS, SEASONAL_COLUMNS
from tests.support.source import PACKAGES, ROOT, code, files, name

DOCUMENTS = [path for path in files(".md") if "tests" not in path.parts]
TOP = ("tests", "docs", *PACKAGES)
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(TOP)})/[\w./-]*\w")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
SHELL = re.compile(r"(?<![\w/])\./plum(?: +[^\n`|#]*)?")
PLACEHOLDERS = {"<app>", "CODE", "NAME", "ID", "USER", "D", "TOKEN", "ARGS..."}
ROOT_FILES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE")


def exists(text: str) -> bool:
    """A path, or the number of a decision (docs/adr/0004)."""
    path = ROOT / text
    return path.exists() or any(path.parent.glob(f"{path.name}-*.md"))


@pytest.mark.parametrize("document", ROOT_FILES)
def test_what_a_stranger_looks_for_is_there(document: str) -> None:
    assert (ROOT / document).stat().st_size > 200


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_that_a_document_names_exist(document: Path) -> None:
    text = re.sub(r"https?://\S+", "", document.read_text())

    assert sorted({path for path in PATH.findall(text) if not exists(path)}) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    assert [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_lines_of_a_document_can_be_read(document: Path) -> None:
    """Words, not walls; and English that says what is, not what somebody plans."""
    text = document.read_text()

    assert text.startswith(("#", "---"))
    assert not re.search(r"\b(?:lorem ipsum|coming soon|TBD|WIP)\b", text, re.IGNORECASE)


def commands_in(document: Path) -> Iterator[list[str]]:
    """Every ./plum line of a document as words, examples and tables alike."""
    for line in SHELL.findall(document.read_text()):
        yield [word for word in shlex.split(line.replace("\\", " ").rstrip(" .,;:)").replace("'", "")) if word != "..."]


COMMANDS = [
    pytest.param(words, id=f"{name(document)}: {' '.join(words)}") for document in DOCUMENTS for words in commands_in(document)
]


@pytest.fixture(scope="session")
def front_door(checkout: Path) -> dict[str, str]:
    """The help of every command of the front door, by its name."""

    def help_of(*words: str) -> str:
        answer = subprocess.run([sys.executable, checkout / "plum", *words, "--help"], capture_output=True, text=True, check=True)
        return answer.stdout

    names = set(re.findall(r"^ {2,4}(\w+) {2,}", help_of(), re.MULTILINE)) | {"manage", "test", "check", "fix"}
    return {command: help_of(command) for command in names if command != "manage"} | {"": help_of(), "manage": ""}


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS)
def test_commands_that_a_document_names_exist_with_their_flags(words: list[str], front_door: dict[str, str]) -> None:
    command, *arguments = words[1:] or [""]
    if command.startswith("<") or command in PLACEHOLDERS:
        return
    assert command in front_door
    if command == "manage" and arguments:
        verb, *arguments = arguments
        if verb in PLACEHOLDERS:
            return
        assert verb in get_commands(), f"manage.py has no command {verb}"
        parser = load_command_class(get_commands()[verb], verb).create_parser("manage.py", verb)
        known = {option for action in parser._actions for option in action.option_strings}
    else:
        known = set(re.findall(r"--[a-z][a-z-]*", front_door[command]))
    assert {word.partition("=")[0] for word in arguments if word.startswith("--") and word != "--"} <= known | {"--help"}


def test_every_command_of_our_own_has_help_and_an_example() -> None:
    ours = {command for command, app in get_commands().items() if app.split(".")[0] in PACKAGES}

    assert {"load_program", "verify", "run_review", "metrics", "member_timeline", "seed_demo"} <= ours
    for command in sorted(ours):
        assert load_command_class(get_commands()[command], command).help.endswith((".", ")")), command


SYMBOL_ROW = re.compile(r"^\|[^|]*\| (`[^|]+`) \| ([^|]+) \|", re.MULTILINE)
SYMBOLS = [
    (symbol, file)
    for symbols, places in SYMBOL_ROW.findall((ROOT / "docs/tour.md").read_text())
    for symbol, file in zip(
        re.findall(r"`([^`]+)`", symbols),
        (places.split(", ") * 9 if ", " not in places else places.split(", ")),
        strict=False,
    )
]


@pytest.mark.parametrize(("symbol", "file"), SYMBOLS)
def test_symbols_of_the_tour_are_where_it_says(symbol: str, file: str) -> None:
    module = importlib.import_module(file.strip().removesuffix(".py").replace("/", "."))

    assert hasattr(module, symbol)


def test_the_tour_walks_like_its_journey() -> None:
    """The journey test has the steps of the tour, in its order; the last two steps have journeys of their own."""
    tour = (ROOT / "docs/tour.md").read_text()
    *steps, correct, replace = re.findall(r"^## \d+\. (.+)$", tour, re.MULTILINE)
    journey = (ROOT / "tests/journeys/test_event_to_review.py").read_text()
    said = re.findall(r"# \d+\. (.+)$", journey, re.MULTILINE)

    assert len(steps) == 10
    assert said == steps
    assert (correct, replace) == ("Correct", "Replace")
    assert "`tests/journeys/test_flag_to_correction.py`" in tour
    assert "`tests/journeys/test_replacement_on_demo.py`" in tour


@pytest.mark.parametrize("decision", sorted((ROOT / "docs/adr").glob("*.md")), ids=lambda path: path.name)
def test_decisions_have_their_form(decision: Path) -> None:
    text = decision.read_text()

    assert text.startswith(f"# {decision.name[:4]}: ")
    assert [
        part
        for part in ("**Context.**", "**Options.**", "**Decision.**", "**Consequences.**", "**Enforced by:**")
        if part not in text
    ] == []
    assert text.count("\n| ") >= 4, "at least two options, each with its cost"


def test_decisions_are_numbered_without_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/adr").glob("*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


GLOSSARY = (ROOT / "docs/glossary.md").read_text()


@pytest.mark.parametrize(
    ("module", "enumeration"),
    [
        ("partners.choices", "PartnerState"),
        ("partners.choices", "Stage"),
        ("offers.choices", "PresentState"),
        ("activity.choices", "Outcome"),
        ("activity.choices", "Status"),
        ("reviews.choices", "Standing"),
        ("reviews.choices", "DecisionKind"),
        ("reviews.choices", "CycleState"),
        ("plum_site.lib.choices", "Role"),
    ],
)
def test_every_code_that_people_see_is_in_the_glossary(module: str, enumeration: str) -> None:
    codes = {
        str(getattr(choice, "label", choice)).lower() if isinstance(choice.value, int) else choice.value
        for choice in getattr(importlib.import_module(module), enumeration)
    }

    assert {code for code in codes if not re.search(rf"\b{code}\b", GLOSSARY)} == set()


def test_no_word_has_a_synonym() -> None:
    """Words that would mean a thing which already has a name."""
    synonyms = re.compile(r"\b(?:merchant|supplier|deal|promo|campaign_id|tenant|end.?user|kpi)s?\b", re.IGNORECASE)
    lines = [
        f"{name(path)}:{number}"
        for path in [*code(), *files(".html", *PACKAGES)]
        if "demo" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if synonyms.search(line)
    ]

    assert lines == []


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    source = "".join(path.read_text() for path in files(".py", "plum_site", "tests/support")) + (ROOT / "plum").read_text()
    read = set(re.findall(r"[\"'](PLUM_[A-Z_]+|DATABASE_URL|REDIS_URL|DJANGO_SETTINGS_MODULE)[\"']", source))
    documented = set(
        re.findall(
            r"`(PLUM_[A-Z_]+|DATABASE_URL|REDIS_URL|DJANGO_SETTINGS_MODULE)`", (ROOT / "docs/operations/settings.md").read_text()
        )
    )
    anchors = {f"## {variable}" for variable in re.findall(r"_env\.(?:text|flag|number)\(\s*\"(\w+)\"", source)}

    assert documented == read
    assert {anchor for anchor in anchors if anchor not in (ROOT / "docs/operations/settings.md").read_text()} == set()


def test_columns_of_the_files_are_those_that_are_read() -> None:
    sections = re.split(r"^## ", (ROOT / "docs/files.md").read_text(), flags=re.MULTILINE)[1:]
    said: dict[str, dict[str, bool]] = {}
    for section in sections:
        rows = re.findall(r"^\| ([\w, ]+?) \| (yes)? ?\|", section, re.MULTILINE)
        columns = {column: needed == "yes" for names, needed in rows for column in names.split(", ") if column != "column"}
        said[section.partition("\n")[0]] = columns
    members = said["members.csv"]
    read = {
        "partners.csv": PARTNER_COLUMNS,
        "offers.csv": (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS),
        "The events": FILE_COLUMNS,
        "seasonal_index.csv": SEASONAL_COLUMNS,
    }

    assert {file: set(said[file]) for file in read} == {file: set(columns) for file, columns in read.items()}
    assert set(members) == {*PERSON_COLUMNS, "any other"}
    for file, required in REQUIRED.items():
        columns = said["The events" if file == "events" else file]
        assert {column for column, needed in columns.items() if needed} == set(required), file


def test_the_readme_stays_short_and_shows_the_console() -> None:
    text = (ROOT / "README.md").read_text()

    assert len(text.splitlines()) <= 120
    assert "docs/images/console.png" in text
    assert "./plum up" in text
    assert "./plum test" in text
