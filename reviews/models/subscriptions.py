"""Who gets the monthly report."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from partners.models import Program
from reviews.choices import SubscriptionScope, SubscriptionState


class Subscription(models.Model):
    """
    One recipient of a program's monthly report, in one scope. Added, paused and ended in the console, or ended by the link
    in a mail; never deleted. scope_value: the category's or the country's code, where the scope is one of these.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="subscriptions")
    email = models.EmailField("e-mail address")
    name = models.CharField(max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        help_text="A person with a login, whose report links to the console.",
    )
    scope = models.CharField(max_length=10, choices=SubscriptionScope.choices, default=SubscriptionScope.WHOLE)
    scope_value = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=12, choices=SubscriptionState.choices, default=SubscriptionState.ACTIVE)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ["email", "id"]
        constraints = [
            models.UniqueConstraint(fields=["program", "email", "scope", "scope_value"], name="reviews_subscription_once"),
            models.CheckConstraint(condition=Q(state__in=SubscriptionState.values), name="reviews_subscription_state_known"),
            models.CheckConstraint(
                condition=(Q(scope__in=[SubscriptionScope.CATEGORY, SubscriptionScope.COUNTRY]) & ~Q(scope_value=""))
                | (Q(scope=SubscriptionScope.OWNED, user__isnull=False) & Q(scope_value=""))
                | Q(scope=SubscriptionScope.WHOLE, scope_value=""),
                name="reviews_subscription_scope_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.email}: {self.scope_text}"

    @property
    def scope_text(self) -> str:
        """The scope in words."""
        match self.scope:
            case SubscriptionScope.CATEGORY:
                return f"partners of the category {self.scope_value}"
            case SubscriptionScope.COUNTRY:
                return f"partners of {self.scope_value}"
        return SubscriptionScope(self.scope).label[0].lower() + SubscriptionScope(self.scope).label[1:]
