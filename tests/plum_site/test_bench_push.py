"""The benchmark of pushes: every recipient is counted, and what it says is what it measured."""

from pathlib import Path

import pytest

from activity.models import Member
from plum_site.bench import push as bench
from plum_site.bench.lab import Lab
from plum_site.lib.models import Outbox
from reviews.models import CorrectiveAction, PushRecipient

pytestmark = pytest.mark.slow


def make_lab(folder: Path) -> Lab:
    return Lab(events=60, rounds=1, folder=folder, say=lambda text: None)


def test_the_document_names_the_goals_that_are_held(checkout: Path) -> None:
    text = (checkout / "docs/performance.md").read_text()
    for what, unit, (goal, floor) in (
        ("put into the outbox", " ×", bench.PUT),
        ("frozen, as it is carried out", " ×", bench.FREEZE),
        ("its preview, as approving it reads it", " ms", bench.PREVIEW),
        ("memory of the worker, above its start", " MB", bench.MEMORY),
    ):
        assert any(f"{what} |" in line and f"| ≤ {goal}{unit} | {floor}{unit} |" in line for line in text.splitlines()), what


@pytest.mark.both_engines
@pytest.mark.django_db
def test_it_measures_pushes_to_everybody_and_leaves_nothing_in_the_outbox(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)

    put, freeze, preview, memory = bench.measure_push(lab)

    assert (put.unit, freeze.unit, preview.unit, memory.unit) == ("× bare INSERT", "× bare INSERT", "ms", "MB")
    assert min(put.ratio, freeze.ratio, preview.ratio) > 0
    assert Member.objects.count() == 60
    assert CorrectiveAction.objects.count() == 2, "one that does not count, and one that does"
    assert PushRecipient.objects.count() == 120
    assert not Outbox.objects.exists()


@pytest.mark.both_engines
@pytest.mark.django_db
def test_a_mail_that_is_missing_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make_lab(tmp_path)
    program, proposer, approver = bench.make_addressed(lab)
    send = bench.send_push

    def lose_one(**given: object) -> None:
        send(**given)  # type: ignore[arg-type]
        Outbox.objects.filter(pk=Outbox.objects.filter(channel="push").latest("pk").pk).delete()

    monkeypatch.setattr(bench, "send_push", lose_one)
    with pytest.raises(RuntimeError, match="does not count"):
        bench.push(lab, program, proposer, approver)
