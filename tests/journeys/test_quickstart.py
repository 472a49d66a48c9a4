"""docs/api/quickstart.md is true: every block is run, against a server, and prints what stands below it."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.factories.programs import make_program
from tests.factories.tokens import make_token
from tests.support.source import ROOT

TEXT = (ROOT / "docs/api/quickstart.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"
SCOPES = re.search(r"--scopes (\S+)", TEXT)[1].split(",")  # type: ignore[index]


@dataclass(frozen=True)
class Step:
    """One step of the page: what to type in either language, and what it prints."""

    bash: str
    python: str
    answer: Any


def read_steps() -> list[Step]:
    """Every block of the page, three by three."""
    blocks = BLOCK.findall(TEXT)
    assert [kind for kind, _ in blocks] == ["bash", "python", "json"] * (len(blocks) // 3)
    return [Step(blocks[index][1], blocks[index + 1][1], json.loads(blocks[index + 2][1])) for index in range(0, len(blocks), 3)]


def fits(said: Any, seen: Any) -> bool:
    """Whether what was seen is what the page says: … is anything, as a name or at the end of a list "and more"."""
    if said == ANYTHING:
        return True
    if isinstance(said, dict) and isinstance(seen, dict):
        more = ANYTHING in said
        named = {name: value for name, value in said.items() if name != ANYTHING}
        return (more or set(named) == set(seen)) and all(name in seen and fits(named[name], seen[name]) for name in named)
    if isinstance(said, list) and isinstance(seen, list):
        more = said[-1:] == [ANYTHING]
        wanted = said[:-1] if more else said
        return (more or len(wanted) == len(seen)) and all(map(fits, wanted, seen)) and len(seen) >= len(wanted)
    return type(said) is type(seen) and said == seen


def test_the_page_has_its_steps() -> None:
    steps = read_steps()
    assert len(steps) >= 12
    assert steps[0].python.startswith("import json")
    named = set(re.findall(r"/api/v1(/[a-z]+)", " ".join(step.bash for step in steps)))
    assert named >= {"/me", "/partners", "/offers", "/catalog", "/events", "/metrics", "/funnel", "/audit"}


@pytest.mark.parametrize(
    ("said", "seen", "expected"),
    [
        ({"a": "…"}, {"a": [1]}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
        ({"a": 1, "…": "…"}, {"b": 2}, False),
        ([1, "…"], [1, 2, 3], True),
        ([1, "…"], [], False),
        ([1], [1, 2], False),
        (1, True, False),
    ],
)
def test_the_comparison_can_fail(said: Any, seen: Any, expected: bool) -> None:
    assert fits(said, seen) is expected


@pytest.mark.slow
@pytest.mark.both_engines
@pytest.mark.parametrize("language", ["bash", "python"])
def test_every_block_prints_what_the_page_says(transactional_db: None, live_server: Any, tmp_path: Path, language: str) -> None:
    if language == "bash" and not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("no curl on this machine: the same steps run in Python")
    program = make_program("acme", time_zone="UTC")
    secret = make_token(program, *SCOPES, name="quickstart")[1]
    environment = {
        "PATH": os.environ["PATH"],
        "PLUM_URL": live_server.url,
        "PLUM_TOKEN": secret,
        "NOW": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "PYTHONPATH": str(tmp_path),
    }
    steps = read_steps()
    (tmp_path / "plum_api.py").write_text(steps[0].python, encoding="utf-8")
    for step in steps:
        text = step.bash if language == "bash" else step.python
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-W", "error", "-c", text]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, f"{text}\n{ran.stdout}\n{ran.stderr}"
        seen = json.loads(ran.stdout)
        assert fits(step.answer, seen), f"{text}\nprinted\n{json.dumps(seen, indent=2)}\nnot\n{json.dumps(step.answer, indent=2)}"
