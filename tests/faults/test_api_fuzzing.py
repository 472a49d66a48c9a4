"""Schemathesis over the description that Plum itself serves, against running processes with real data in them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plum_site.lib.choices import Scope
from tests.faults.lab import Lab
from tests.faults.load import PROGRAM, load_arguments, make_events, make_folder

pytestmark = pytest.mark.faults
SEED = "1"
# What contradicts the contract: an item that is wrong makes 207, not 400.
LEFT_OUT = "negative_data_rejection"
# Last and alone: it may revoke the very token that everything else is asked with.
LAST = "delete_token"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
LEAST_CASES = 2000


@pytest.fixture
def secret(lab: Lab, tmp_path: Path) -> str:
    """A program with events and a review, and a token that may do everything in it."""
    lab.manage(*load_arguments(make_folder(tmp_path / "folder", list(make_events(400))), "file"))
    month = next(make_events(1))["occurred_at"][:7]
    lab.manage("run_review", "--program", PROGRAM, "--month", month)
    scopes = ",".join(Scope.values)
    return str(lab.manage_json("create_token", "--program", PROGRAM, "--name", "fuzz", "--scopes", scopes)["token"])


def fuzz(lab: Lab, folder: Path, secret: str, *options: str) -> tuple[int, str]:
    """Run it: whether it found nothing (0), and what it said."""
    url = f"http://127.0.0.1:{lab.port}/api/v1/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", url]
    command += ["--header", f"Authorization: Bearer {secret}", "--seed", SEED, "--no-color", "--continue-on-failure"]
    command += ["--exclude-checks", LEFT_OUT, "--request-timeout", "30", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=3000)
    return run.returncode, run.stdout + run.stderr


def count_cases(said: str) -> int:
    """How many requests were made up and sent."""
    match = re.search(r"(\d+) generated", said)
    assert match, said[-3000:]
    return int(match[1])


def test_nothing_that_is_sent_makes_a_server_error_or_an_answer_that_is_not_described(
    lab: Lab, tmp_path: Path, secret: str, pytestconfig: pytest.Config
) -> None:
    """PLUM_FUZZ_EXAMPLES: how many cases for each address beyond those of the boundaries; 1, or 50 with --long."""
    examples = os.environ.get("PLUM_FUZZ_EXAMPLES") or ("50" if pytestconfig.getoption("--long") else "1")
    lab.start_web()
    options = ["--max-examples", examples, *([] if int(examples) > 1 else ["--phases", "examples,coverage"])]
    code, said = fuzz(lab, tmp_path, secret, *options, "--exclude-operation-id", LAST)
    assert code == 0, said[-20_000:]
    last_code, last_said = fuzz(lab, tmp_path, secret, *options, "--include-operation-id", LAST)
    assert last_code == 0, last_said[-20_000:]
    assert " 500 " not in lab.log("web")
    cases = count_cases(said) + count_cases(last_said)
    print(f"{cases} cases")
    assert cases >= LEAST_CASES
