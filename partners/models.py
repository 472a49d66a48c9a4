"""Programs and their partners: who supplies offers, under which terms, in which state."""

import uuid

from django.conf import settings
from django.db import models

from partners.choices import ContactRole, PartnerState, ProgramKind, StageOrder
from plum_site.lib.fields import CountryField, CurrencyField


class Program(models.Model):
    """
    One rewards program: the wall inside which everything lives. Created once, never deleted.

    `uuid` gives the program keys of its own. `catalog_revision` grows with every change of partners, offers,
    segments or rankings, `people_revision` with every change of its members' attributes, so that caches know when they
    are stale.
    """

    code = models.SlugField(max_length=40, unique=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=ProgramKind.choices, default=ProgramKind.EMPLOYEE)
    time_zone = models.CharField(max_length=64, default="UTC", help_text="IANA name; it decides where a month begins.")
    currency = CurrencyField(help_text="The reporting currency; amounts in others are shown beside it, never added.")
    stage_order = models.CharField(max_length=12, choices=StageOrder.choices, default=StageOrder.VIEW_FIRST)
    recorded_stages = models.JSONField(default=list, help_text="Stages this program records: a set that only grows.")
    member_attributes = models.JSONField(default=list, help_text="Attributes of members that are kept at all.")
    reporting_attributes = models.JSONField(default=list, help_text="Kept attributes that figures are broken down by fast.")
    minimum_group = models.PositiveSmallIntegerField(default=5, help_text="Smaller groups are suppressed; 1 switches it off.")
    settlement_days = models.PositiveSmallIntegerField(default=30, help_text="After so many days reversals have arrived.")
    ready_day = models.PositiveSmallIntegerField(default=3, help_text="Day of the next month on which the cut-off freezes.")
    report_day = models.PositiveSmallIntegerField(default=5, help_text="Day of the next month on which the report goes out.")
    creates_unknown_members = models.BooleanField(
        default=True, help_text="Whether an event of an unknown member creates the member, pseudonymously."
    )
    refuses_withdrawn_unlocks = models.BooleanField(
        "refuses unlocks of withdrawn offers",
        default=False,
        help_text="Whether an unlock after its offer was paused or retired is refused; otherwise it is recorded and marked.",
    )
    is_demo = models.BooleanField(default=False)
    ended_date = models.DateField(
        null=True, blank=True, help_text="Last day of a program that has ended: no later month is reviewed."
    )
    catalog_revision = models.PositiveBigIntegerField(default=0, editable=False)
    people_revision = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=ProgramKind.values), name="partners_program_kind_known"),
            models.CheckConstraint(
                condition=models.Q(stage_order__in=StageOrder.values), name="partners_program_stage_order_known"
            ),
            models.CheckConstraint(condition=models.Q(minimum_group__gte=1), name="partners_program_minimum_group_positive"),
            models.CheckConstraint(
                condition=models.Q(
                    ready_day__gte=1, ready_day__lte=28, report_day__gte=models.F("ready_day"), report_day__lte=28
                ),
                name="partners_program_days_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    """
    What kind of partner: the peer group that a partner is compared with. Made by import or by hand.

    The code is empty for partners of which the source does not say it.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="categories")
    code = models.CharField(max_length=100)

    class Meta:
        ordering = ["code", "id"]
        verbose_name_plural = "categories"
        constraints = [models.UniqueConstraint(fields=["program", "code"], name="partners_category_once")]

    def __str__(self) -> str:
        return self.code or "no category"


class SeasonalIndex(models.Model):
    """How much of its usual volume a category is expected to have in one month (1 = as usual). Loaded from a file."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="seasonal_indexes")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="seasonal_indexes")
    month_start_date = models.DateField()
    expected_index = models.DecimalField(max_digits=9, decimal_places=6)

    class Meta:
        verbose_name_plural = "seasonal indexes"
        constraints = [
            models.UniqueConstraint(fields=["program", "category", "month_start_date"], name="partners_seasonalindex_once"),
            models.CheckConstraint(condition=models.Q(expected_index__gt=0), name="partners_seasonalindex_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.month_start_date:%Y-%m}"


class Partner(models.Model):
    """
    A brand that supplies offers. Created by import, API or hand; its state changes only by a named transition,
    each with a row in PartnerTransition. Never deleted: a retired partner still accepts redemptions and reversals.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="partners")
    external_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="partners")
    country = CountryField(blank=True)
    state = models.CharField(max_length=20, choices=PartnerState.choices, default=PartnerState.ACTIVE)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="owned_partners",
        help_text="Who is told about flags.",
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "external_id"], name="partners_partner_once"),
            models.CheckConstraint(condition=models.Q(state__in=PartnerState.values), name="partners_partner_state_known"),
        ]

    def __str__(self) -> str:
        return self.name


class PartnerTransition(models.Model):
    """One change of a partner's state. Written with the change, append-only."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="transitions")
    name = models.CharField(max_length=40)
    from_state = models.CharField(max_length=20, blank=True)
    to_state = models.CharField(max_length=20, choices=PartnerState.choices)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField()
    comment = models.TextField(blank=True)
    source_ref = models.CharField(max_length=120, blank=True, help_text='What caused it, as "app.Model:id".')

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.partner}: {self.name}"


class Contact(models.Model):
    """A person at a partner. Edited in the console; deleted when they leave."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="contacts")
    name = models.CharField(max_length=200)
    email = models.EmailField()
    role = models.CharField(max_length=20, choices=ContactRole.choices, default=ContactRole.ACCOUNT)
    language = models.CharField(max_length=10, default="en")

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["partner", "email", "role"], name="partners_contact_once"),
            models.CheckConstraint(condition=models.Q(role__in=ContactRole.values), name="partners_contact_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class ContractTerms(models.Model):
    """What was agreed with a partner from one day on; periods of one partner do not overlap (a rule of the service)."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="contract_terms")
    starts_date = models.DateField()
    ends_date = models.DateField(null=True, blank=True, help_text="Last day; empty while it runs on.")
    summary = models.TextField(help_text="What was agreed, in words.")
    commission_percent = models.DecimalField(max_digits=5, decimal_places=2, null=True, blank=True)
    notice_days = models.PositiveSmallIntegerField(default=30)

    class Meta:
        ordering = ["-starts_date", "-id"]
        verbose_name_plural = "contract terms"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_date__isnull=True) | models.Q(ends_date__gte=models.F("starts_date")),
                name="partners_contractterms_ends_after_start",
            ),
            models.CheckConstraint(
                condition=models.Q(commission_percent__isnull=True)
                | models.Q(commission_percent__gte=0, commission_percent__lte=100),
                name="partners_contractterms_commission_is_percent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.partner} from {self.starts_date}"
