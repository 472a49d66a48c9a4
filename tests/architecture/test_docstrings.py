"""Public functions say what the caller must know, and what they say exists."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from cryptography import exceptions

from plum_site.lib import errors
from tests.support.source import APPS, PACKAGES, ROOT, code, files, name

# layer: the labels that each of its public functions needs
LABELS = {"services": ("Raises", "Writes"), "selectors": ("Shape",), "rules": (), "metrics": (), "workflow": ()}
LABEL = re.compile(
    r"^\s*(Shape|Units|Raises|Writes|Source):\s*(.*?)(?=^\s*(?:Shape|Units|Raises|Writes|Source):|\Z)", re.M | re.S
)
ERROR_NAME = re.compile(r"\b(?:[A-Z][a-z0-9]+){2,}\b")
DOCUMENT = re.compile(r"\bdocs/[\w./-]*\w")


def modules(layer: str) -> list[ModuleType]:
    """The module or package of one layer in every app that has it."""
    found = [app for app in APPS if (ROOT / app / f"{layer}.py").exists() or (ROOT / app / layer / "__init__.py").exists()]
    return [importlib.import_module(f"{app}.{layer}") for app in found]


def public(module: ModuleType) -> Iterator[tuple[str, Callable]]:
    """What `__all__` names, or what is defined in the module itself without an underscore; functions only."""
    names = getattr(module, "__all__", None)
    for key, value in vars(module).items():
        if inspect.isfunction(value) and (
            key in names if names is not None else value.__module__ == module.__name__ and key[0] != "_"
        ):
            yield key, inspect.unwrap(value)


FUNCTIONS = [
    pytest.param(layer, function, id=f"{module.__name__}.{key}")
    for layer in LABELS
    for module in modules(layer)
    for key, function in public(module)
]


def labels_of(function: Callable) -> dict[str, str]:
    return {match[1]: match[2].strip() for match in LABEL.finditer(inspect.getdoc(function) or "")}


@pytest.mark.parametrize("module", [module for layer in LABELS for module in modules(layer)], ids=lambda module: module.__name__)
def test_a_package_says_what_is_public(module: ModuleType) -> None:
    """A package is a list of what others may use; all of it exists, in alphabetical order."""
    if hasattr(module, "__path__"):
        assert module.__all__, f"{module.__name__} needs __all__"
        assert [key for key in module.__all__ if not hasattr(module, key)] == []
        assert list(module.__all__) == sorted(
            module.__all__, key=lambda key: (not key.isupper(), not key[0].isupper(), key)
        ) or list(module.__all__) == sorted(module.__all__)


@pytest.mark.parametrize(("layer", "function"), FUNCTIONS)
def test_public_functions_carry_their_labels(layer: str, function: Callable) -> None:
    text = inspect.getdoc(function) or ""
    labels = labels_of(function)

    assert text, "a sentence for the caller"
    assert re.match(r"[^\n]+(?:\n(?!\n)[^\n]+)*", text)[0].rstrip().endswith((".", ":", "!")), "the first paragraph is a sentence"
    assert [label for label in LABELS[layer] if not labels.get(label)] == []


@pytest.mark.parametrize(("layer", "function"), FUNCTIONS)
def test_errors_that_a_docstring_names_exist(layer: str, function: Callable) -> None:
    named = set(ERROR_NAME.findall(labels_of(function).get("Raises", "")))
    module = importlib.import_module(function.__module__)

    assert {error for error in named if not any(hasattr(place, error) for place in (module, errors, exceptions))} == set()


@pytest.mark.parametrize(("layer", "function"), FUNCTIONS)
def test_services_take_who_and_when_by_name(layer: str, function: Callable) -> None:
    """A write says who does it and at which instant, and nothing is passed by position."""
    if layer == "services":
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}


def test_documents_that_the_code_names_exist() -> None:
    missing = {}
    for path in [*code(), *files(".py", "tests"), *files(".html", *PACKAGES), *files(".yaml", *PACKAGES)]:
        gone = {document for document in DOCUMENT.findall(path.read_text(encoding="utf-8")) if not exists(document)}
        if gone:
            missing[name(path)] = gone

    assert missing == {}


def exists(document: str) -> bool:
    """A path in docs/, or the number of a decision (docs/adr/0004)."""
    path = ROOT / document
    return path.exists() or any(path.parent.glob(f"{path.name}-*.md"))
