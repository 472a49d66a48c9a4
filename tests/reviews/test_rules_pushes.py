"""Who of a segment gets a push, and what its words may hold."""

import pytest

from plum_site.lib.errors import InvalidInput
from reviews.rules.pushes import Candidate, check_words, choose_audience, fill_words


def candidate(number: int, **changes: bool) -> Candidate:
    usual = {"is_open": True, "has_opted_out": False, "is_recent": False, "is_known": True, "has_address": True}
    return Candidate(number, number.to_bytes(16), **(usual | changes))


class TestAudience:
    """Everybody stands in exactly one number."""

    def test_each_reason_in_its_turn(self) -> None:
        given = [
            candidate(1),
            candidate(2, is_open=False, has_opted_out=True),
            candidate(3, has_opted_out=True, is_recent=True),
            candidate(4, is_recent=True, has_address=False),
            candidate(5, has_address=False),
            candidate(6, is_known=False),
        ]
        found = choose_audience(given, ["mail"], "salt", 0)

        assert found.as_json() == {
            "in_segment": 6, "not_in_audience": 1, "opted_out": 1, "recently": 1, "no_address": 2, "held_out": 0, "to_be_sent": 1,
        }  # fmt: skip
        assert found.chosen == {1: "mail"}

    def test_with_both_channels_nobody_is_written_to_twice(self) -> None:
        given = [candidate(1), candidate(2, has_address=False), candidate(3, is_known=False, has_address=False)]

        assert choose_audience(given, ["mail", "webhook"], "s", 0).chosen == {1: "mail", 2: "webhook"}
        assert choose_audience(given, ["webhook"], "s", 0).chosen == {1: "webhook", 2: "webhook"}

    def test_about_the_share_asked_for_is_held_out_and_always_the_same(self) -> None:
        given = [candidate(number) for number in range(5000)]
        found = choose_audience(given, ["mail"], "push_1", 1 / 10)

        assert 420 < len(found.held_out) < 580
        assert choose_audience(reversed(given), ["mail"], "push_1", 1 / 10).held_out.keys() == found.held_out.keys()
        assert choose_audience(given, ["mail"], "push_2", 1 / 10).held_out.keys() != found.held_out.keys()
        assert len(found.held_out) + len(found.chosen) == 5000


@pytest.mark.parametrize("text", ["{name}", "{title", "a {} b", "{ title }"])
def test_placeholders_that_nobody_fills_are_refused(text: str) -> None:
    if text == "{title":
        check_words(text)  # no placeholder at all
        return
    with pytest.raises(InvalidInput, match="Nobody knows"):
        check_words(text)


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    assert fill_words("{title} in {program}", ["A {program}", "B"], "P {title}") == "A {program} and B in P {title}"
