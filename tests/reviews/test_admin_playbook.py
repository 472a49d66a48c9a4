"""The console of approvals and of the playbook: what is in force, a look before anything changes, versions."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from partners.models import Program
from plum_site.lib.choices import Role
from plum_site.lib.models import User
from reviews.choices import ActionKind, Approval, Cause, Severity, Standing
from reviews.models import ApprovalPolicy, ApprovalRequest, Playbook
from reviews.rules.actions import PlacingSpec, PlaybookLine, default_approvals, default_playbook, say_line
from reviews.selectors.actions import read_approvals, read_playbook
from reviews.services.actions import lower_by_time, save_approvals
from tests.factories.actions import AT, make_correctable_program
from tests.factories.people import make_member_of_staff
from tests.support.pages import list_inline, sign_in, text_of

pytestmark = pytest.mark.slow
APPROVALS, PLAYBOOK = "admin:action_approvals", "admin:action_playbook"


@pytest.fixture
def program(db: None) -> Program:
    return make_correctable_program()


@pytest.fixture
def anna(program: Program) -> User:
    return make_member_of_staff(program, Role.PROGRAM_ADMIN, "anna")


@pytest.fixture
def client(anna: User) -> Client:
    return sign_in(anna)


def approvals(**changes: Any) -> dict[str, Any]:
    """What the form of the approvals sends: what a new program begins with."""
    return {**default_approvals().approvals, "push_limit": "1000", "number": "0", **changes}


def sent(client: Client) -> dict[str, Any]:
    """What the editor of the playbook sends as it was opened."""
    context = client.get(reverse("admin:write_playbook")).context
    forms = [*(form for form, _, _ in context["lines"]), context["placing"]]
    values = {form.add_prefix(name): form[name].value() for form in forms for name in form.fields}
    return {
        "lines": str(len(forms) - 1),
        "number": "0",
        **{name: "" if value is None else value for name, value in values.items()},
    }


def test_the_approvals_in_force_and_what_would_change(client: Client, program: Program) -> None:
    said = text_of(client.get(reverse(APPROVALS)))
    assert "what every program begins with" in said
    assert "Pause the offer one person for 30 days" in said
    assert "Nobody has changed the approvals yet." in said

    asked = client.post(reverse("admin:ask_approvals"), approvals(pause_offer="two"))
    assert "Pause the offer one person two different people" in text_of(asked)
    assert not list_inline(asked.content.decode())
    assert not ApprovalPolicy.objects.exists()

    saved = client.post(reverse("admin:save_approvals"), approvals(pause_offer="two"), follow=True)
    assert "Approval policy version 1 is in force." in text_of(saved)
    spec = read_approvals(program.pk).spec
    assert spec.approvals[ActionKind.PAUSE_OFFER] == Approval.TWO
    assert spec.approvals[ActionKind.REPLACE_PARTNER] == Approval.TWO
    assert "anna" in text_of(client.get(reverse(APPROVALS)))


def test_what_asks_for_less_is_asked_for_and_answered_by_another(client: Client, program: Program, anna: User) -> None:
    save_approvals(program_id=program.pk, spec=read_approvals(program.pk).spec, actor="system", at=AT)
    client.post(reverse("admin:save_approvals"), approvals(pause_offer="two", number="1"))
    ben = sign_in(make_member_of_staff(program, Role.PROGRAM_ADMIN, "ben"))

    said = text_of(client.post(reverse("admin:ask_approvals"), approvals(solo_mode="on", number="2")))
    assert "Solo mode takes the second person away" in said
    assert "another person confirms it, or 24 hours pass" in said
    saved = text_of(client.post(reverse("admin:save_approvals"), approvals(solo_mode="on", number="2"), follow=True))
    assert "Asked for. Nothing has changed yet" in saved
    assert "anna asked for less" in saved
    assert "Withdraw…" in saved
    assert "Confirm…" not in saved
    assert not read_approvals(program.pk).spec.solo_mode
    assert "You asked that corrective actions need less" in text_of(client.get(reverse("admin:index")))
    assert "anna asked that corrective actions need less" in text_of(ben.get(reverse("admin:index")))

    row = ApprovalRequest.objects.get()
    own = text_of(client.post(reverse("admin:reviews_approvalrequest_done", args=[row.pk, "confirm"]), {"comment": ""}))
    assert "somebody else has to confirm or refuse it" in own
    again = text_of(client.post(reverse("admin:ask_approvals"), approvals(number="2")))
    assert "It takes the place of what anna asked for" in again
    ended = text_of(client.post(reverse("admin:ask_approvals"), approvals(pause_offer="two", rerank="two", number="2")))
    assert "It ends what anna asked for" in ended

    page = ben.get(reverse(APPROVALS))
    assert "Confirm…" in text_of(page)
    assert not list_inline(page.content.decode())
    asked = text_of(ben.get(reverse("admin:reviews_approvalrequest_do", args=[row.pk, "confirm"])))
    assert "Solo mode off on" in asked
    refused = ben.post(reverse("admin:reviews_approvalrequest_done", args=[row.pk, "refuse"]), {"comment": " "})
    assert "comment" in refused.context["form"].errors
    confirmed = text_of(ben.post(reverse("admin:reviews_approvalrequest_done", args=[row.pk, "confirm"]), {}, follow=True))
    assert "Confirmed: the lower approvals are in force." in confirmed
    assert "confirmed by ben" in confirmed
    assert "Solo mode is on" in confirmed
    late = text_of(ben.get(reverse("admin:reviews_approvalrequest_do", args=[row.pk, "refuse"]), follow=True))
    assert "was in force already" in late
    assert "need less" not in text_of(ben.get(reverse("admin:index")))


def test_steps_that_nobody_knows_and_readers_of_the_page(client: Client, program: Program, anna: User) -> None:
    client.post(reverse("admin:save_approvals"), approvals(push_limit="2000", replace_partner="two"))
    row = ApprovalRequest.objects.get()
    assert client.get(reverse("admin:reviews_approvalrequest_do", args=[row.pk, "forget"])).status_code == 404
    assert client.get(reverse("admin:reviews_approvalrequest_do", args=[row.pk + 1, "confirm"])).status_code == 404
    otis = sign_in(make_member_of_staff(program, Role.PARTNER_OPS, "otis"))
    said = text_of(otis.get(reverse(APPROVALS)))
    assert "anna asked for less" in said
    assert "Confirm…" not in said
    lower_by_time(request_id=row.pk, at=row.due_at)
    assert "by time: 24 hours after it was asked" in text_of(otis.get(reverse(APPROVALS)))


def test_approvals_that_are_wrong_or_outdated_are_not_saved(client: Client, program: Program) -> None:
    page = client.post(reverse("admin:ask_approvals"), approvals(push_limit="-1", pause_offer="three"))
    assert set(page.context["form"].errors) == {"push_limit", "pause_offer"}
    save_approvals(program_id=program.pk, spec=read_approvals(program.pk).spec, actor="system", at=AT)
    said = text_of(client.post(reverse("admin:save_approvals"), approvals(pause_offer="two"), follow=True))
    assert "Somebody saved another version meanwhile" in said
    assert ApprovalPolicy.objects.count() == 1
    same = text_of(client.post(reverse("admin:ask_approvals"), approvals(number="1"), follow=True))
    assert "in force already" in same


def test_only_program_admins_change_either(program: Program, anna: User) -> None:
    otis = sign_in(make_member_of_staff(program, Role.PARTNER_OPS, "otis"))
    for name in (APPROVALS, PLAYBOOK):
        page = text_of(otis.get(reverse(name)))
        assert "Change the approvals" not in page
        assert "Edit the playbook" not in page
    assert otis.get(reverse("admin:write_approvals")).status_code == 403
    assert otis.post(reverse("admin:save_playbook")).status_code == 403


def test_lines_are_moved_added_and_removed_before_anything_is_saved(client: Client, program: Program) -> None:
    given = sent(client)
    lines = default_playbook()
    moved = client.post(reverse("admin:change_playbook"), {**given, "do": "up:2"}).context["lines"]
    assert [said for _, said, _ in moved][:3] == [say_line(lines[0]), say_line(lines[2]), say_line(lines[1])]
    down = client.post(reverse("admin:change_playbook"), {**given, "do": "down:0"}).context["lines"]
    assert [said for _, said, _ in down][:2] == [say_line(lines[1]), say_line(lines[0])]
    assert len(client.post(reverse("admin:change_playbook"), {**given, "do": "remove:0"}).context["lines"]) == len(lines) - 1
    added = client.post(reverse("admin:change_playbook"), {**given, "do": "add"}).context["lines"]
    assert added[-1][1] == "For every flag, propose to write to the partner."
    for nonsense in ("up:0", "down:99", "remove:x", "", "else"):
        kept = client.post(reverse("admin:change_playbook"), {**given, "do": nonsense}).context["lines"]
        assert [said for _, said, _ in kept] == [say_line(line) for line in lines]
    assert not Playbook.objects.exists()


def test_a_changed_playbook_is_looked_at_and_put_in_force(client: Client, program: Program) -> None:
    given = {**sent(client), "2-how": "pin", "2-place": "3"}
    asked = client.post(reverse("admin:change_playbook"), {**given, "do": "look"})
    said = text_of(asked)
    assert not list_inline(asked.content.decode())
    assert "When awareness is the cause, propose to re-rank its offers (pinned at place 3)" in said
    assert "No longer there" in said
    again = client.post(reverse("admin:change_playbook"), {**given, "do": "again"})
    assert "pinned at place 3" in text_of(again)

    client.post(reverse("admin:save_playbook"), given)
    in_force = read_playbook(program.pk)
    assert in_force.number == 1
    assert in_force.lines[2].params == {"how": "pin", "place": 3}
    assert [line for place, line in enumerate(in_force.lines) if place != 2] == [
        line for place, line in enumerate(default_playbook()) if place != 2
    ]
    page = text_of(client.get(reverse(PLAYBOOK)))
    assert "In force: version 1" in page
    assert "New: When awareness is the cause, propose to re-rank" in page


def test_what_is_wrong_stands_at_its_line_and_nothing_is_saved(client: Client, program: Program) -> None:
    given = sent(client)
    for broken, place in (
        ({"1-months": "0"}, 1),
        ({"2-how": "pin", "2-place": ""}, 2),
        ({"3-kept": "[]"}, 3),
        ({"4-cause": "x"}, 4),
    ):
        page = client.post(reverse("admin:save_playbook"), {**given, **broken})
        wrong = [index for form, _, index in page.context["lines"] if form.errors]
        assert wrong == [place], broken
    assert not Playbook.objects.exists()
    unchanged = client.post(reverse("admin:change_playbook"), {**given, "do": "look"}, follow=True)
    assert "in force already" in text_of(unchanged)
    client.post(reverse("admin:save_playbook"), {**given, "lines": "1"})
    outdated = client.post(reverse("admin:save_playbook"), {**given, "lines": "2"}, follow=True)
    assert "Somebody saved another version meanwhile" in text_of(outdated)
    assert Playbook.objects.count() == 1


def test_an_empty_playbook_proposes_nothing(client: Client, program: Program) -> None:
    placing = {name: value for name, value in sent(client).items() if name.startswith("placing-")}
    client.post(reverse("admin:save_playbook"), {"lines": "0", "number": "0", **placing})
    assert read_playbook(program.pk).lines == []
    assert "Nothing is proposed by rule." in text_of(client.get(reverse(PLAYBOOK)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            PlaybookLine(Cause.AWARENESS, ActionKind.PROMOTIONAL_PUSH, severity=Severity.CRITICAL, audience="carriers"),
            "When awareness is the cause and the flag is critical, propose a promotional push for the segments that carry the "
            "fall.",
        ),
        (
            PlaybookLine("", ActionKind.REPLACE_PARTNER, standing=Standing.UNDERPERFORMING, months=4),
            "When the partner's standing is underperforming and the flag has stood for 4 months, propose to replace the partner "
            "for everyone.",
        ),
        (PlaybookLine("", ActionKind.CONTACT_PARTNER), "For every flag, propose to write to the partner."),
        (
            PlaybookLine(Cause.MIXED, ActionKind.RERANK, params={"how": "lower", "place": 5}),
            "When mixed is the cause, propose to re-rank its offers (down by 5) for everyone.",
        ),
    ],
)
def test_a_line_is_one_sentence(line: PlaybookLine, said: str) -> None:
    assert say_line(line) == said


def test_the_lines_for_segments_are_shown_changed_and_refused_beside_their_fields(client: Client, program: Program) -> None:
    said = text_of(client.get(reverse(PLAYBOOK)))
    assert "For each segment that redeems at most 80 % of what its peers let expect" in said

    given = sent(client) | {"placing-share": "60", "do": "look"}
    given.pop("placing-lowers")
    asked = text_of(client.post(reverse("admin:change_playbook"), given))
    assert "redeems at most 60 % of what its peers let expect" in asked
    wrong = client.post(reverse("admin:change_playbook"), given | {"placing-share": "100"})
    assert "less than or equal to 99" in text_of(wrong)
    assert not Playbook.objects.exists()

    client.post(reverse("admin:save_playbook"), given)
    assert read_playbook(program.pk).placing == PlacingSpec(share=60, lowers=False)
    assert "For segments:" in text_of(client.get(reverse(PLAYBOOK)))
