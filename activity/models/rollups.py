"""
Rollups: counts and amounts at four small grains, and sets of members at two of them, written by the sealer in the
transaction of the seal.

Derived and always equal to the sealed ledger (`verify rollups`). A cell of measure "events" counts events
(`amount_minor` is 0); one of measure "spend" or "reward_cost" counts the events that carry an amount in
`currency` and adds those amounts up. A set of members is who had any event of its kind and status there, exactly:
sets are united over days and groups, and then counted (docs/adr/0011-member-sets.md).
"""

from django.db import models

from activity.choices import Kind, Measure, Status
from activity.models.ledger import EventSource, loose_key
from activity.models.members import AttributeSet
from offers.models import Offer
from partners.models import Partner, Program


class Rollup(models.Model):
    """The columns that every grain has."""

    program = loose_key(Program)
    local_date = models.DateField()
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    status = models.PositiveSmallIntegerField(choices=Status.choices)
    measure = models.PositiveSmallIntegerField(choices=Measure.choices)
    currency = models.CharField(max_length=3, blank=True)
    event_count = models.BigIntegerField()
    amount_minor = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


CELL = ["kind", "status", "measure", "currency"]


class DaySegmentRollup(Rollup):
    """Day × offer type × attribute set: what dashboards filter by segment."""

    offer_type = models.CharField(max_length=100)
    attribute_set = loose_key(AttributeSet)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "local_date", "offer_type", "attribute_set", *CELL], name="activity_daysegmentrollup_cell"
            ),
        ]


class DayOfferRollup(Rollup):
    """Day × offer: what an offer's page shows."""

    offer = loose_key(Offer)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "local_date", "offer", *CELL], name="activity_dayofferrollup_cell"),
        ]


class DayPartnerRollup(Rollup):
    """Day × partner: what a partner's page and the home page show."""

    partner = loose_key(Partner)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "local_date", "partner", *CELL], name="activity_daypartnerrollup_cell"),
        ]


class DaySourceRollup(Rollup):
    """Day × source: which source was silent on which day, and what it feeds."""

    source = loose_key(EventSource)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "source", "local_date", *CELL], name="activity_daysourcerollup_cell"),
        ]


class MemberSet(models.Model):
    """The columns that the sets of both grains have. `members` is read and made by activity.rules.member_sets alone."""

    program = loose_key(Program)
    local_date = models.DateField()
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    status = models.PositiveSmallIntegerField(choices=Status.choices)
    member_count = models.PositiveIntegerField(help_text="How many are in it: large groups are known without reading them.")
    members = models.BinaryField()

    class Meta:
        abstract = True


class DaySegmentMembers(MemberSet):
    """Day × offer type × attribute set: distinct members of dashboards, by segment, offer type or everything."""

    offer_type = models.CharField(max_length=100)
    attribute_set = loose_key(AttributeSet)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "local_date", "offer_type", "attribute_set", "kind", "status"],
                name="activity_daysegmentmembers_cell",
            ),
        ]


class DayPartnerMembers(MemberSet):
    """Day × partner: distinct members of partners, and of their categories and countries."""

    partner = loose_key(Partner)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "local_date", "partner", "kind", "status"], name="activity_daypartnermembers_cell"
            ),
        ]
