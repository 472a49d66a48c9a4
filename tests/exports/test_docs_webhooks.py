"""docs/webhooks.md tells the truth: its receiver runs, its tables are those of the code."""

import ipaddress
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exports.rules import RETRY_DELAYS
from exports.selectors import choosable_types
from exports.services import send_test_message
from plum_site.lib import outbox
from plum_site.lib.announcements import TYPES
from tests.factories.programs import make_program
from tests.factories.webhooks import make_endpoint_and_secret
from tests.faults.lab import free_port, wait_for
from tests.support.receivers import answers_on


@pytest.fixture
def text(checkout: Path) -> str:
    return (checkout / "docs/webhooks.md").read_text(encoding="utf-8")


def test_the_table_of_types_is_what_is_announced(text: str) -> None:
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([a-z_.]+)` \| [^|]+ \| ([^|]+) \|", text, re.MULTILINE)}

    assert set(rows) == {kind.name for kind in choosable_types()} | {"webhook.test"}
    for kind in choosable_types():
        assert re.findall(r"`(\w+)`", rows[kind.name]) == list(TYPES[kind.name].example), kind.name


def test_the_pauses_are_those_of_the_code(text: str) -> None:
    said = re.search(r"after 5 s, 5 min, 30 min, ([\d, and]+) h", text)

    assert said is not None
    assert [int(hours) for hours in re.findall(r"\d+", said[1])] == [pause.total_seconds() / 3600 for pause in RETRY_DELAYS[3:]]


@pytest.mark.slow
@pytest.mark.django_db
def test_the_receiver_of_the_document_runs(text: str, tmp_path: Path, settings: Any) -> None:
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, [ipaddress.ip_network("127.0.0.1/32")]
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    port = free_port()
    endpoint, secret = make_endpoint_and_secret(make_program(), url=f"http://127.0.0.1:{port}/")
    script = tmp_path / "receiver.py"
    script.write_text(code.replace('"whsec_..."', repr(secret)).replace("8080", str(port)), encoding="utf-8")
    with subprocess.Popen([sys.executable, "-u", str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as receiver:
        try:
            wait_for(lambda: answers_on(port), "the receiver")
            now = datetime.now(UTC)
            delivery = send_test_message(endpoint_id=endpoint.pk, actor="system", at=now)
            outbox.send_due(now)
        finally:
            receiver.kill()
        assert receiver.stdout is not None
        said = receiver.stdout.read().decode()

    delivery.message.refresh_from_db()
    assert (delivery.message.state, delivery.message.error) == ("sent", "")
    assert said.startswith("webhook.test {'program': 'acme'")
