"""The import contracts hold, and nothing that is ours escapes them."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from tests.support.source import APPS, PACKAGES, code, module_of

CHAIN = ["exports", "reviews", "activity", "offers", "partners", "plum_site.lib"]


@pytest.fixture(scope="module")
def linter(checkout: Path) -> dict:
    return tomllib.loads((checkout / "pyproject.toml").read_text())["tool"]["importlinter"]


@pytest.fixture(scope="module")
def contracts(linter: dict) -> dict[str, dict]:
    return {contract["name"]: contract for contract in linter["contracts"]}


def test_import_contracts_hold(checkout: Path, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--cache-dir", tmp_path]

    answer = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_local_app_is_in_the_contracts(linter: dict, contracts: dict[str, dict]) -> None:
    local = {app.partition(".apps.")[0] for app in settings.INSTALLED_APPS if app.partition(".")[0] in PACKAGES}

    assert local == {"plum_site", "plum_site.lib", *APPS}
    assert set(linter["root_packages"]) == set(PACKAGES)
    assert contracts["Apps depend downwards only"]["layers"] == CHAIN
    assert set(contracts["Inside an app"]["containers"]) == set(APPS)
    assert contracts["Inside an app"]["exhaustive"] is True


def test_every_package_of_the_checkout_is_known(checkout: Path) -> None:
    packages = {folder.parent.name for folder in checkout.glob("*/__init__.py")}

    assert packages == set(PACKAGES)


def test_every_part_of_the_roof_is_forbidden_to_the_apps(contracts: dict[str, dict]) -> None:
    """`plum_site` imports everything; whatever lies in it beside `lib` is imported by no app."""
    roof = {".".join(module_of(path).split(".")[:2]) for path in code() if module_of(path).startswith("plum_site.")}

    forbidden = contracts["Nobody imports the roof"]
    assert set(forbidden["forbidden_modules"]) >= roof - {"plum_site.lib"}
    assert set(forbidden["source_modules"]) == {*APPS, "plum_site.lib"}


def test_every_pure_module_is_kept_pure(contracts: dict[str, dict]) -> None:
    pure = {".".join(module_of(path).split(".")[:2]) for path in code()}
    pure = {module for module in pure if module.endswith((".rules", ".workflow", ".metrics"))}

    assert set(contracts["Rules, workflow and metrics touch no framework"]["source_modules"]) >= pure
