"""Corrective actions as people take them: proposed from the partner, looked at, approved by another person, done, taken back."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from offers.choices import OfferState
from offers.models import Offer
from partners.models import Program
from plum_site.lib.clock import now
from plum_site.lib.models import User
from reviews.choices import ActionKind, ActionState, Approval
from reviews.models import CorrectiveAction
from reviews.rules.actions import ApprovalSpec
from reviews.services.actions import HANDLINGS, approve_action, save_approvals
from tests.browser.conftest import Visit
from tests.factories.action_kinds import KINDS
from tests.factories.actions import AT, WORDS, carry_out, make_correctable_program, propose
from tests.factories.jobs import run_due
from tests.factories.people import make_member_of_staff

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WIDE = pytest.param("wide and light", marks=pytest.mark.window(width=1280, height=900, theme="light"))
PHONE = pytest.param("a phone in the dark", marks=pytest.mark.window(width=390, height=844, theme="dark"))
MOST_TABS = 120


@pytest.fixture
def program(transactional_db: None) -> Program:
    """A partner with three offers; whatever is done needs two people."""
    program = make_correctable_program()
    two = ApprovalSpec(dict.fromkeys(map(str, ActionKind), str(Approval.TWO)))
    save_approvals(program_id=program.pk, spec=two, actor="system", at=AT)
    return program


@pytest.fixture
def ben(program: Program) -> User:
    """The other person."""
    return make_member_of_staff(program, "program_admin", "ben")


def open_partner(visit: Visit, program: Program) -> None:
    partner = program.partners.get(external_id="P1")
    assert visit.open(reverse("admin:partners_partner_change", args=[partner.pk])) == 200


def page_of(action: CorrectiveAction) -> str:
    return reverse("admin:reviews_correctiveaction_change", args=[action.pk])


def tab_to(page: Page, words: str, *, begins: bool = False) -> None:
    """Press Tab until what has the focus says so (begins: and more); the focus is to be seen there."""
    here = """(() => { const one = document.activeElement;
        const said = one.labels?.[0]?.textContent || (one.tagName === 'INPUT' && one.value) || one.textContent;
        return said.trim().replace(/\\s+/g, ' '); })()"""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        said = page.evaluate(here)
        if said == words or (begins and said.startswith(words)):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", f"no focus on {words}"
            return
    raise AssertionError(f"{page.url}: {words!r} cannot be reached with the keyboard")


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_one_proposes_another_approves_and_it_is_done(signed_in: Visit, program: Program, ben: User, size: str) -> None:
    page = signed_in.page
    open_partner(signed_in, program)
    page.get_by_role("link", name="Propose an action").first.click()
    expect(page.locator("h1")).to_have_text("Propose an action for Partner P1")
    assert signed_in.faults() == []
    page.get_by_role("link", name=ActionKind.PAUSE_OFFER.label, exact=True).click()
    page.get_by_role("checkbox", name="O1").check()
    page.get_by_label("Why").fill("Its links are broken.")

    page.get_by_role("button", name="Look at it first").last.click()
    preview = page.get_by_role("region", name="What it would do")
    expect(preview).to_contain_text("O1 of Partner P1: paused.")
    expect(preview.get_by_role("row", name="O1")).to_contain_text("Published")
    expect(preview).to_contain_text("It needs two different people: you propose, another one approves.")
    expect(preview).to_contain_text("Nothing is saved yet.")
    assert signed_in.faults() == []
    assert not CorrectiveAction.objects.exists()
    expect(page.get_by_role("checkbox", name="O1")).to_be_checked()
    expect(page.get_by_label("Why")).to_have_value("Its links are broken.")

    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("Nothing is done before somebody approves it.")
    expect(page.get_by_role("link", name="Approve…")).to_have_count(0)
    assert signed_in.faults() == []
    action = CorrectiveAction.objects.get()

    signed_in.sign_in("ben")
    expect(page.get_by_text("1 action waits for you")).to_be_visible()
    page.get_by_role("link", name="Look at it").click()
    page.get_by_role("link", name="O1 of Partner P1: paused.").click()
    page.get_by_role("link", name="Approve…").click()
    expect(page.get_by_role("row", name="O1")).to_contain_text("Paused")
    assert signed_in.faults() == []
    page.get_by_label("Comment").fill("Until they are mended.")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("Approved.")
    assert Offer.objects.get(external_id="O1").state == OfferState.PUBLISHED, "the worker has not been there"

    run_due()
    assert signed_in.open(page_of(action)) == 200
    expect(page.locator(".plum-lead").first).to_contain_text("Measured")
    expect(page.get_by_text("Until they are mended.")).to_be_visible()
    assert signed_in.faults() == []
    assert Offer.objects.get(external_id="O1").state == OfferState.PAUSED


def test_it_is_proposed_and_approved_without_a_mouse(signed_in: Visit, program: Program, ben: User) -> None:
    page = signed_in.page
    open_partner(signed_in, program)
    tab_to(page, "Propose an action")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Propose an action for Partner P1")
    tab_to(page, ActionKind.RERANK.label)
    page.keyboard.press("Enter")
    page.wait_for_url("**/actions/propose/?*kind=rerank*")
    tab_to(page, "O3", begins=True)
    page.keyboard.press("Space")
    tab_to(page, "Due", begins=True)
    page.keyboard.press("Enter")  # in a field, Enter looks and saves nothing
    expect(page.get_by_role("region", name="What it would do")).to_contain_text("O3 of Partner P1: to the top, for everyone.")
    assert not CorrectiveAction.objects.exists()
    tab_to(page, "Propose")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Nothing is done before somebody approves it.")
    action = CorrectiveAction.objects.get()

    signed_in.sign_in("ben")
    signed_in.open(page_of(action))
    tab_to(page, "Approve…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    tab_to(page, "Comment", begins=True)
    page.keyboard.type("Let people see it.")
    tab_to(page, "Approve")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Approved.")
    action.refresh_from_db()
    assert (action.state, action.approver) == (ActionState.SCHEDULED, ben)
    assert signed_in.faults() == []


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_a_revert_after_another_change_shows_the_three_versions(
    signed_in: Visit, program: Program, admin: User, ben: User, size: str
) -> None:
    page, at = signed_in.page, now()
    action = propose(program, admin, ActionKind.REFRESH_LISTING, params={"offers": ["O1"], **WORDS}, at=at)
    approve_action(action_id=action.pk, actor=ben, at=at)
    run_due()
    change = KINDS[ActionKind.REFRESH_LISTING].change
    assert change is not None
    change(Offer.objects.get(external_id="O1"), at)

    signed_in.open(page_of(action))
    page.get_by_role("link", name="Revert…").click()
    page.get_by_label("Comment").fill("It did not help.")
    page.get_by_role("button", name="Revert", exact=True).click()

    expect(page.get_by_text("Somebody published another listing since. Nothing was changed.").first).to_be_visible()
    table = page.get_by_role("region", name="The three versions")
    for words in ("Before the action", "After it", "Now"):
        expect(table.get_by_role("columnheader", name=words)).to_be_visible()
    expect(table.get_by_role("row", name="Title")).to_contain_text("Other words")
    assert signed_in.faults() == []
    action.refresh_from_db()
    assert action.reverted_at is None


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_every_page_of_actions_is_sound(signed_in: Visit, program: Program, admin: User, ben: User, size: str) -> None:
    """The list, the forms of every kind, the pages of every state, approvals and playbook with their forms."""
    partner = program.partners.get(external_id="P1")
    waits = propose(program, admin, reason="Its links are broken.")
    done = carry_out(propose(program, admin, params={"offers": ["O2"]}, at=now()), ben, now())
    steps = ("reject", "cancel")
    new = reverse("admin:reviews_correctiveaction_propose")
    pages = [
        reverse("admin:reviews_correctiveaction_changelist"),
        reverse("admin:reviews_correctiveaction_changelist") + "?state=all",
        new,
        f"{new}?partner={partner.pk}",
        *(f"{new}?partner={partner.pk}&kind={kind}" for kind in HANDLINGS),
        reverse("admin:reviews_correctiveaction_edit", args=[waits.pk]),
        *(reverse("admin:reviews_correctiveaction_do", args=[waits.pk, step]) for step in steps),
        page_of(waits),
        page_of(done),
        *(reverse(f"admin:{name}") for name in ("action_approvals", "write_approvals", "action_playbook", "write_playbook")),
    ]
    wrong = []
    for path in pages:
        status = signed_in.open(path)
        wrong += [f"{path}: {fault}" for fault in [*signed_in.faults(), *([] if status == 200 else [str(status)])]]
        signed_in.wrong.clear()
    assert wrong == [], "\n".join(wrong)


def test_several_are_ticked_and_approved_together(signed_in: Visit, program: Program, ben: User) -> None:
    page = signed_in.page
    for name in ("O1", "O2", "O3"):
        propose(program, ben, params={"offers": [name]})
    signed_in.open(reverse("admin:reviews_correctiveaction_changelist"))
    for name in ("O1", "O2"):
        page.get_by_role("row", name=f"{name} of Partner P1").get_by_role("checkbox").check()
    expect(page.locator("[data-chosen]")).to_have_text("2 chosen")
    page.get_by_role("button", name="Approve those that are ticked…").click()
    expect(page.locator("h1")).to_have_text("Approve 2 actions")
    assert signed_in.faults() == []
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator("h1")).to_have_text("2 of 2 approved")
    assert CorrectiveAction.objects.filter(state=ActionState.SCHEDULED).count() == 2
    assert signed_in.faults() == []
