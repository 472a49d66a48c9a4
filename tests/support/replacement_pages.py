"""The pages of one replacement in tests: their addresses, and taking a step as a person does."""

from django.test import Client
from django.urls import reverse

from reviews.models import Replacement
from tests.support.pages import list_inline, text_of


def page_of(replacement: Replacement) -> str:
    return reverse("admin:reviews_replacement_change", args=[replacement.pk])


def step(replacement: Replacement, name: str, part: str = "done") -> str:
    return reverse(f"admin:reviews_replacement_{part}", args=[replacement.pk, name])


def state_of(replacement: Replacement) -> str:
    replacement.refresh_from_db()
    return replacement.state


def take(client: Client, replacement: Replacement, name: str, **fields: object) -> str:
    """Look at the page of a step, take it, and what the page afterwards says."""
    asked = client.get(step(replacement, name, "do"))
    assert asked.status_code == 200, text_of(asked)
    assert not list_inline(asked.content.decode())
    replacement.refresh_from_db()
    answer = client.post(step(replacement, name), {"replaces": replacement.revision, "comment": "", **fields}, follow=True)
    replacement.refresh_from_db()
    return text_of(answer)
