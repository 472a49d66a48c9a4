"""Partners: saving them, one or a file of them, and who looks after them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from partners.choices import PartnerState
from partners.models import Category, Partner, PartnerTransition, Program, SeasonalIndex
from partners.rules import PartnerRow, RowFault, SavedRows, SeasonalRow, check_partner, check_seasonal_index, field_error
from partners.services.programs import bump_catalog_revision
from plum_site.lib import audit
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import User


@transaction.atomic
def save_partners(
    *, program_id: int, rows: Sequence[PartnerRow], actor: User | str, at: datetime, state: str = PartnerState.ACTIVE
) -> SavedRows:
    """
    Create and change the partners that a file names; those it does not name stay as they are.

    Rows that cannot be saved come back as faults, the others are kept. New partners begin in `state`.

    Raises: nothing; faults are returned.
    Writes: partners_category, partners_partner, partners_partnertransition, partners_program.catalog_revision;
    plum_auditevent, once for the file and once for each changed partner. Nothing where nothing differs.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    known = {partner.external_id: partner for partner in Partner.objects.filter(program=program)}
    sound, faults = sift_partners(rows)
    categories = save_categories(program, {row.category for row in sound})
    names = {category.pk: code for code, category in categories.items()}
    created, changed = [], []
    for row in sound:
        partner = known.get(row.external_id)
        if partner is None:
            created.append(new_partner(program, row, categories[row.category], state, at))
        else:
            before = apply_partner(partner, row, categories[row.category], names)
            if before:
                changed.append((partner, before))
    Partner.objects.bulk_create(created)
    PartnerTransition.objects.bulk_create(first_transition(partner, actor, at) for partner in created)
    if changed:
        Partner.objects.bulk_update([partner for partner, _ in changed], ["name", "category", "country"])
    for partner, before in changed:
        after = {name: partner.category.code if name == "category" else getattr(partner, name) for name in before}
        audit.record(
            program_id=program_id, actor=actor, action="partners.save_partner", row=partner, at=at, before=before, after=after
        )
    counts = SavedRows(len(created), len(changed), len(sound) - len(created) - len(changed), tuple(faults))
    if created or changed:
        bump_catalog_revision(program_id=program_id)
        totals = {"created": counts.created, "changed": counts.changed, "unchanged": counts.unchanged}
        audit.record(program_id=program_id, actor=actor, action="partners.save_partners", row=program, at=at, after=totals)
    return counts


@transaction.atomic
def save_partner(
    *,
    program_id: int,
    external_id: str,
    name: str,
    category: str,
    country: str = "",
    actor: User | str,
    at: datetime,
    state: str = PartnerState.ACTIVE,
) -> tuple[Partner, str]:
    """
    Create or change one partner; with it "created", "changed" or "unchanged". A new one begins in `state`.

    Raises: InvalidInput.
    Writes: as save_partners.
    """
    row = PartnerRow(external_id, name, category, country)
    counts = save_partners(program_id=program_id, rows=[row], actor=actor, at=at, state=state)
    for fault in counts.faults:
        raise fault.error
    partner = Partner.objects.select_related("category").get(program_id=program_id, external_id=external_id)
    return partner, "created" if counts.created else "changed" if counts.changed else "unchanged"


@transaction.atomic
def set_partner_owner(*, partner_id: int, owner: User | None, actor: User | str, at: datetime) -> Partner:
    """
    Say who is told about a partner's flags; None for nobody.

    Raises: NotFound, InvalidInput (code "inactive_owner").
    Writes: partners_partner, plum_auditevent; nothing if that is so already.
    """
    partner = Partner.objects.select_for_update(of=("self",)).filter(pk=partner_id).first()
    if partner is None:
        raise NotFound("partner", partner_id)
    if owner is not None and not owner.is_active:
        raise InvalidInput("inactive_owner", f"{owner} may no longer sign in. Nothing was changed. Choose somebody else.")
    before = partner.owner_id
    if before != (owner.pk if owner else None):
        partner.owner = owner
        partner.save(update_fields=["owner"])
        audit.record(
            program_id=partner.program_id,
            actor=actor,
            action="partners.set_partner_owner",
            row=partner,
            at=at,
            before={"owner": before},
            after={"owner": partner.owner_id},
        )
    return partner


@transaction.atomic
def save_seasonal_index(*, program_id: int, rows: Sequence[SeasonalRow], actor: User | str, at: datetime) -> SavedRows:
    """
    Set the expected index of categories and months; those not named stay as they are.

    Raises: nothing; rows of an unknown category, or named twice, are returned as faults.
    Writes: partners_seasonalindex, plum_auditevent once if something differs.
    """
    program = Program.objects.select_for_update().get(pk=program_id)
    categories = {category.code: category for category in Category.objects.filter(program=program)}
    known = {(index.category_id, index.month_start_date): index for index in SeasonalIndex.objects.filter(program=program)}
    created, changed, faults, seen = [], [], [], set()
    for number, row in enumerate(rows):
        try:
            check_seasonal_index(row)
            category = categories.get(row.category)
            if category is None:
                raise field_error("unknown_category", "category", f"No partner of this program is in {row.category!r}.")
            key = (category.pk, row.month_start_date)
            if key in seen:
                raise field_error("named_twice", "month", f"{row.category} {row.month_start_date:%Y-%m} is in this file twice.")
        except InvalidInput as error:
            faults.append(RowFault(number, error))
            continue
        seen.add(key)
        index = known.get(key)
        if index is None:
            created.append(
                SeasonalIndex(
                    program=program, category=category, month_start_date=row.month_start_date, expected_index=row.expected_index
                )
            )
        elif index.expected_index != row.expected_index:
            index.expected_index = row.expected_index
            changed.append(index)
    SeasonalIndex.objects.bulk_create(created)
    SeasonalIndex.objects.bulk_update(changed, ["expected_index"])
    counts = SavedRows(len(created), len(changed), len(seen) - len(created) - len(changed), tuple(faults))
    if created or changed:
        totals = {"created": counts.created, "changed": counts.changed, "unchanged": counts.unchanged}
        audit.record(program_id=program_id, actor=actor, action="partners.save_seasonal_index", row=program, at=at, after=totals)
    return counts


def sift_partners(rows: Sequence[PartnerRow]) -> tuple[list[PartnerRow], list[RowFault]]:
    """The rows that can be saved, and the faults of the others; the first of two rows of one id counts."""
    sound, faults, seen = [], [], set()
    for index, row in enumerate(rows):
        try:
            check_partner(row)
            if row.external_id in seen:
                raise field_error("named_twice", "external_id", f"{row.external_id} is in this file twice; the first row counts.")
        except InvalidInput as error:
            faults.append(RowFault(index, error))
            continue
        seen.add(row.external_id)
        sound.append(row)
    return sound, faults


def save_categories(program: Program, codes: set[str]) -> dict[str, Category]:
    """Every category of a program by its code, those new made on the way."""
    known = {category.code: category for category in Category.objects.filter(program=program)}
    new = [Category(program=program, code=code) for code in sorted(codes - set(known))]
    Category.objects.bulk_create(new)
    return known | {category.code: category for category in new}


def new_partner(program: Program, row: PartnerRow, category: Category, state: str, at: datetime) -> Partner:
    """A partner as its row says, not yet saved."""
    return Partner(
        program=program,
        external_id=row.external_id,
        name=row.name,
        category=category,
        country=row.country,
        state=state,
        created_at=at,
    )


def apply_partner(partner: Partner, row: PartnerRow, category: Category, names: dict[int, str]) -> dict[str, str]:
    """Put a row on an existing partner; the old value of what differed."""
    before = {}
    if partner.name != row.name:
        before["name"], partner.name = partner.name, row.name
    if partner.category_id != category.pk:
        before["category"], partner.category = names[partner.category_id], category
    if partner.country != row.country:
        before["country"], partner.country = partner.country, row.country
    return before


def first_transition(partner: Partner, actor: User | str, at: datetime) -> PartnerTransition:
    """The row that begins a partner's history."""
    return PartnerTransition(
        partner=partner, name="create", from_state="", to_state=partner.state, actor=audit.actor_name(actor), at=at
    )
