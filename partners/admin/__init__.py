"""The console's lists and pages of programs and partners."""

from partners.admin.partners import CategoryAdmin, PartnerAdmin
from partners.admin.people import ContactAdmin, ContractTermsAdmin
from partners.admin.programs import ProgramAdmin

__all__ = ["CategoryAdmin", "ContactAdmin", "ContractTermsAdmin", "PartnerAdmin", "ProgramAdmin"]
