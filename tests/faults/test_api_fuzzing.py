"""Schemathesis over the description that Plum itself serves, against running processes with real data in them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.lab import Lab
from tests.faults.load import load_arguments, make_events, make_folder

pytestmark = pytest.mark.faults
SEED = "1"
# What contradicts the contract: an item that is wrong makes 207, not 400.
LEFT_OUT = "negative_data_rejection"
SHORT, LONG = 3, 60
LEAST_CASES, LEAST_CASES_LONG = 300, 2000


def fuzz(lab: Lab, folder: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """Run it; what it said, and its report."""
    report = folder / "report.json"
    url = f"http://127.0.0.1:{lab.port}/api/v1/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "run", url, "--header", f"Authorization: Bearer {lab.token}"]
    command += ["--seed", SEED, "--exclude-checks", LEFT_OUT, "--report-json-path", str(report), "--no-color"]
    run = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False, timeout=1500)
    return run.stdout + run.stderr, json.loads(report.read_text(encoding="utf-8"))


def test_nothing_that_is_sent_makes_a_server_error_or_an_answer_that_is_not_described(
    lab: Lab, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    is_long = pytestconfig.getoption("--long") or os.environ.get("PLUM_FUZZ_EXAMPLES")
    lab.manage(*load_arguments(make_folder(tmp_path / "folder", list(make_events(400))), "file"))
    lab.start_web()
    examples = os.environ.get("PLUM_FUZZ_EXAMPLES") or str(LONG if is_long else SHORT)
    said, report = fuzz(lab, tmp_path, "--max-examples", examples)
    print(said[-3000:])
    cases = int(re.search(r"(\d+) generated", said)[1])
    assert cases >= (LEAST_CASES_LONG if is_long else LEAST_CASES)
