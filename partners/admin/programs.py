"""The program's own settings."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest

from partners.choices import Stage
from partners.models import Program
from partners.services import update_program
from plum_site.lib.admin import ServiceModelAdmin, console_admin, person_of
from plum_site.lib.clock import now
from plum_site.lib.present import words

FIXED = ["code", "time_zone", "currency", "stages", "created_at"]
CHANGEABLE = [
    "name",
    "kind",
    "stage_order",
    "minimum_group",
    "settlement_days",
    "ready_day",
    "report_day",
    "creates_unknown_members",
    "refuses_withdrawn_unlocks",
    "is_demo",
    "ended_date",
]


class ProgramForm(forms.ModelForm):
    """What may be changed while a program runs. Attributes of members have a page of their own."""

    class Meta:
        model = Program
        fields = CHANGEABLE

    def changes(self) -> dict[str, Any]:
        """The settings as the service wants them."""
        return {name: self.cleaned_data[name] for name in CHANGEABLE}


@console_admin(Program)
class ProgramAdmin(ServiceModelAdmin):
    """One row: the program that the console is showing."""

    program_path = "pk"
    read_operation = "program.read"
    change_operation = "program.edit"
    form = ProgramForm
    list_display = ["name", "code", "kind", "time_zone", "currency", "stages", "is_demo"]
    intro = "The settings of this program. What is fixed is fixed because days, months and closed reviews rest on it."
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "kind", "is_demo", "ended_date"]}),
        ("Fixed", {"fields": FIXED}),
        ("Members and privacy", {"fields": ["creates_unknown_members", "minimum_group"]}),
        ("Withdrawn offers", {"fields": ["refuses_withdrawn_unlocks"]}),
        ("Funnel and review", {"fields": ["stage_order", "settlement_days", "ready_day", "report_day"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return [(None, {"fields": [*FIXED, *CHANGEABLE]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return FIXED

    def save_through(self, request: HttpRequest, row: Program, form: Any, is_new: bool) -> Program:
        return update_program(program_id=row.pk, changes=form.changes(), actor=person_of(request), at=now())

    def stages(self, row: Program) -> str:
        labels = dict(Stage.choices)
        return words((labels[stage] for stage in row.recorded_stages), empty="none yet: they come with the first events")

    stages.short_description = "recorded stages"  # type: ignore[attr-defined]
