"""Whether the order after a cutover is the one from before, with every old offer followed by its successor."""

from reviews.rules.replacements import check_ranks


def test_a_successor_stands_where_the_old_offer_stood() -> None:
    assert check_ranks("Everyone's catalog", ["a", "old", "b"], ["a", "new", "b"], {"old": "new"}) == []
    assert check_ranks("Everyone's catalog", ["a", "old", "b"], ["a", "b", "new"], {"old": "new"}) == [
        "Everyone's catalog: b stands where new should"
    ]


def test_what_follows_an_offer_that_was_not_shown_may_stand_anywhere() -> None:
    """The ranking knew the place of an expired offer, and hands it on; no reader of the catalog could have seen it."""
    before, after = ["a", "b", "new", "c"], ["a", "new", "b", "c"]
    assert check_ranks("Everyone's catalog", before, after, {"expired": "new"}) == []
    assert check_ranks("Everyone's catalog", before, ["b", "a", "new", "c"], {"expired": "new"}) == [
        "Everyone's catalog: b stands where a should"
    ]
    assert check_ranks("Everyone's catalog", before, ["a", "b", "c"], {"expired": "new"}) == [
        "Everyone's catalog: new is not shown"
    ]
