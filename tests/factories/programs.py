"""Programs, made by the service."""

from datetime import UTC, datetime
from typing import Any

from partners.models import Program
from partners.services import create_program

CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def make_program(code: str = "acme", **settings: Any) -> Program:
    """A program in Berlin that reports in EUR and keeps business unit, region and country of its members."""
    defaults: dict[str, Any] = {
        "name": code.title(),
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "member_attributes": ["business_unit", "region", "country"],
        "reporting_attributes": ["business_unit", "region"],
        "actor": "system",
        "at": CREATED_AT,
    }
    return create_program(code=code, **(defaults | settings))
