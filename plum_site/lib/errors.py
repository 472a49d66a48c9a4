"""Named errors. Services raise them, `lib.api` and `lib.admin` translate them; nobody else does."""

import copyreg
from typing import Any


class DomainError(Exception):
    """
    Something the caller asked for cannot be done, and nothing was changed.

    code: lower_snake, stable, for programs. detail: a sentence for people that says what to do.
    fields: field name to sentence, where one input is at fault. retry_after_seconds: when trying again may help.
    """

    status = 409
    retry_after_seconds = 0

    def __init__(self, code: str, detail: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields or {}

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: as it is, whatever its class is made with."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class NotFound(DomainError):
    """There is no such thing, or it is in a program that the caller may not see: both look alike."""

    status = 404

    def __init__(self, noun: str, name: object) -> None:
        super().__init__("not_found", f"There is no {noun} {name!r} in this program.")


class NotAllowed(DomainError):
    """The caller lacks the right, here and now."""

    status = 403


class InvalidInput(DomainError):
    """The input breaks a rule of shape or range; `fields` says where."""

    status = 422
