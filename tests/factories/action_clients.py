"""Clients of the actions API whose tokens somebody stands behind."""

import json
from typing import Any

from django.http import HttpResponse

from partners.models import Program
from plum_site.lib.models import User
from tests.factories.tokens import TokenClient, make_client

SCOPES = ("reviews:read", "actions:propose", "actions:approve")
PAUSE = {"partner": "P1", "kind": "pause_offer", "params": {"offers": ["O1"]}}


def client_of(program: Program, person: User, *scopes: str, **values: Any) -> TokenClient:
    """A client with a token that a person made, with every scope that actions need unless some are named."""
    return make_client(program, *(scopes or SCOPES), created_by=person, actor=person, **values)


def send(client: TokenClient, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """One request; If_Match becomes If-Match."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = json.dumps(body) if body is not None else ""
    return client.generic(method, f"/api/v1/{path}", data, content_type="application/json", headers=names)


def get(client: TokenClient, path: str) -> Any:
    """What is at an address."""
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return json.loads(answer.content)


def proposed(client: TokenClient, **changes: Any) -> int:
    """The id of an action that was proposed."""
    answer = send(client, "POST", "actions", PAUSE | changes)
    assert answer.status_code == 201, answer.content
    return int(answer.json()["id"])


def step(client: TokenClient, pk: int, name: str, comment: str = "", etag: str = "") -> HttpResponse:
    """One step with an action, from what this client sees now; to approve, it says what it saw."""
    headers = {}
    if name == "approve":
        seen = client.get(f"/api/v1/actions/{pk}")
        headers = {"If_Match": etag or seen.headers.get("ETag", '"none"')}
    return send(client, "POST", f"actions/{pk}/transitions", {"name": name, "comment": comment}, **headers)
