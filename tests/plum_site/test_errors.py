"""Every named error carries a stable code, a sentence that says what to do, and one HTTP status."""

import pickle

import pytest

from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound


@pytest.mark.parametrize(("kind", "status"), [(DomainError, 409), (InvalidInput, 422), (NotAllowed, 403)])
def test_an_error_reads_as_its_sentence(kind: type[DomainError], status: int) -> None:
    error = kind("cycle_closed", "The cycle is closed. Open a new revision.", {"month": "is closed"})

    assert str(error) == error.detail == "The cycle is closed. Open a new revision."
    assert (error.code, error.fields, error.status) == ("cycle_closed", {"month": "is closed"}, status)


def test_fields_of_one_error_are_not_shared_with_another() -> None:
    DomainError("a", "A.").fields["x"] = "y"

    assert DomainError("b", "B.").fields == {}


@pytest.mark.parametrize("error", [InvalidInput("a", "A.", {"x": "y"}), NotFound("partner", "P-17"), NotAllowed("b", "B.")])
def test_an_error_reaches_another_process_as_it_is(error: DomainError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), again.code, again.detail, again.fields) == (str(error), error.code, error.detail, error.fields)


def test_an_unknown_thing_and_another_programs_thing_read_the_same() -> None:
    error = NotFound("partner", "P-17")

    assert (error.code, error.status) == ("not_found", 404)
    assert str(error) == "There is no partner 'P-17' in this program."
