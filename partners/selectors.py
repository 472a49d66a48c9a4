"""Reads of programs and partners."""

from datetime import date
from decimal import Decimal

from django.db.models import QuerySet

from partners.models import Category, Contact, ContractTerms, Partner, PartnerTransition, Program, SeasonalIndex
from plum_site.lib.errors import NotFound


class UnknownProgram(NotFound):
    """No program has this code."""

    def __init__(self, code: str) -> None:
        super().__init__("program", code)
        self.detail = f"There is no program {code!r}. Nothing was changed. Check the code, or load the program first."
        self.args = (self.detail,)


def get_program(code: str) -> Program:
    """
    The program with this code.

    Shape: one Program.
    Raises: UnknownProgram.
    """
    program = Program.objects.filter(code=code).first()
    if program is None:
        raise UnknownProgram(code)
    return program


def get_program_by_id(program_id: int) -> Program:
    """
    The program of a row or a token that names it by id.

    Shape: one Program.
    Raises: NotFound.
    """
    program = Program.objects.filter(pk=program_id).first()
    if program is None:
        raise NotFound("program", program_id)
    return program


def find_program(code: str) -> Program | None:
    """
    The program with this code, or None.

    Shape: one Program or None.
    """
    return Program.objects.filter(code=code).first()


def list_programs() -> QuerySet[Program]:
    """
    Every program.

    Shape: Programs, by name, then id.
    """
    return Program.objects.order_by("name", "id")


def get_partner(program_id: int, external_id: str) -> Partner:
    """
    A partner by the id that it has outside.

    Shape: one Partner, with its category.
    Raises: NotFound.
    """
    partner = find_partner(program_id, external_id)
    if partner is None:
        raise NotFound("partner", external_id)
    return partner


def find_partner(program_id: int, external_id: str) -> Partner | None:
    """
    A partner by the id that it has outside, or None.

    Shape: one Partner, with its category, or None.
    """
    return Partner.objects.select_related("category").filter(program_id=program_id, external_id=external_id).first()


def list_partners(program_id: int) -> QuerySet[Partner]:
    """
    The partners of a program, in every state.

    Shape: Partners with category and owner, by name, then id.
    """
    return Partner.objects.filter(program_id=program_id).select_related("category", "owner").order_by("name", "id")


def list_categories(program_id: int) -> QuerySet[Category]:
    """
    The categories of a program.

    Shape: Categories, by code.
    """
    return Category.objects.filter(program_id=program_id).order_by("code", "id")


def list_transitions(partner_id: int) -> QuerySet[PartnerTransition]:
    """
    How a partner came to its state.

    Shape: PartnerTransitions, newest first.
    """
    return PartnerTransition.objects.filter(partner_id=partner_id).order_by("-at", "-id")


def list_contacts(partner_id: int) -> QuerySet[Contact]:
    """
    The people at a partner.

    Shape: Contacts, by name, then id.
    """
    return Contact.objects.filter(partner_id=partner_id).order_by("name", "id")


def list_contract_terms(partner_id: int) -> QuerySet[ContractTerms]:
    """
    What was agreed with a partner, period by period.

    Shape: ContractTerms, newest first.
    """
    return ContractTerms.objects.filter(partner_id=partner_id).order_by("-starts_date", "-id")


def find_contract_terms(partner_id: int, on: date) -> ContractTerms | None:
    """
    What is agreed with a partner on one day.

    Shape: one ContractTerms or None.
    """
    terms = list_contract_terms(partner_id).filter(starts_date__lte=on).first()
    return terms if terms and (terms.ends_date is None or terms.ends_date >= on) else None


def get_seasonal_index(program_id: int) -> dict[tuple[str, date], Decimal]:
    """
    The expected index of every category and month that has one.

    Shape: (category code, first day of the month) to index.
    Units: 1 is the category's usual volume.
    """
    rows = SeasonalIndex.objects.filter(program_id=program_id).values_list("category__code", "month_start_date", "expected_index")
    return {(category, month): index for category, month, index in rows}
