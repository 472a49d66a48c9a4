"""Who gets the monthly report: added, paused, resumed and ended in the console, or ended by the link in a mail."""

from datetime import datetime

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from partners.models import Category, Program
from plum_site.lib import audit
from plum_site.lib.errors import DomainError, InvalidInput, NotAllowed, NotFound
from plum_site.lib.mail import check_address, one_line
from plum_site.lib.models import User
from plum_site.lib.people import works_in
from reviews.choices import SubscriptionScope, SubscriptionState
from reviews.models import Subscription

SALT = "reviews.unsubscribe"
CHANGES = {
    "pause": ({SubscriptionState.ACTIVE}, SubscriptionState.PAUSED),
    "resume": ({SubscriptionState.PAUSED, SubscriptionState.UNSUBSCRIBED}, SubscriptionState.ACTIVE),
    "end": ({SubscriptionState.ACTIVE, SubscriptionState.PAUSED}, SubscriptionState.UNSUBSCRIBED),
}


@transaction.atomic
def subscribe(
    *,
    program_id: int,
    email: str,
    actor: User | str,
    at: datetime,
    name: str = "",
    user_id: int | None = None,
    scope: str = SubscriptionScope.WHOLE,
    scope_value: str = "",
) -> Subscription:
    """
    Have somebody get the monthly report in one scope; one who has it in this scope already stays as they are.

    email: may be empty for a person with a login, whose own address is then taken. scope_value: code of the category or
    country. A subscription that was paused or ended becomes active again.

    Raises: InvalidInput - invalid_address, unknown_scope, unknown_category, unknown_country, person_required,
    person_without_role.
    Writes: reviews_subscription and plum_auditevent, if something differs.
    """
    user = _find_person(program_id, user_id)
    address = check_address(email or (user.email if user else ""))
    value = _check_scope(program_id, scope, scope_value, user)
    row, is_new = Subscription.objects.get_or_create(
        program_id=program_id,
        email=address.lower(),
        scope=scope,
        scope_value=value,
        defaults={"name": one_line(name)[:200], "user": user, "created_at": at, "created_by": audit.actor_name(actor)},
    )
    if is_new:
        after = {"scope": str(scope), "scope_value": value}
        audit.record(program_id=program_id, actor=actor, action="reviews.subscribe", row=row, at=at, after=after)
    elif row.state != SubscriptionState.ACTIVE:
        row = change_subscription(subscription_id=row.pk, name="resume", actor=actor, at=at)
    return row


@transaction.atomic
def change_subscription(*, subscription_id: int, name: str, actor: User | str, at: datetime, comment: str = "") -> Subscription:
    """
    Pause, resume or end one subscription ("pause", "resume", "end").

    Raises: NotFound; DomainError - change_refused.
    Writes: reviews_subscription, plum_auditevent.
    """
    row = Subscription.objects.select_for_update(of=("self",)).filter(pk=subscription_id).first()
    if row is None:
        raise NotFound("subscription", subscription_id)
    sources, target = CHANGES[name]
    if row.state not in sources:
        state = row.get_state_display().lower()
        raise DomainError("change_refused", f"The subscription is {state}. Nothing was changed.")
    before, row.state = row.state, target
    row.save(update_fields=["state"])
    audit.record(
        program_id=row.program_id,
        actor=actor,
        action=f"reviews.{name}_subscription",
        row=row,
        at=at,
        before={"state": str(before)},
        after={"state": str(target)},
        comment=comment,
    )
    return row


def unsubscribe_url(*, subscription: Subscription) -> str:
    """
    The link in a mail that ends a subscription without signing in; it does not expire.

    Raises: nothing.
    Writes: nothing.
    """
    token = signing.dumps(subscription.pk, salt=SALT)
    return settings.BASE_URL.rstrip("/") + reverse("unsubscribe", args=[token])


def read_unsubscribe_token(*, token: str) -> Subscription:
    """
    The subscription that a link in a mail is about.

    Raises: NotAllowed - link_invalid.
    Writes: nothing.
    """
    try:
        row = Subscription.objects.select_related("program").filter(pk=signing.loads(token, salt=SALT)).first()
    except signing.BadSignature:
        row = None
    if row is None:
        sentence = "This link is not complete. Nothing was changed. Use the one at the end of a report, as it stands there."
        raise NotAllowed("link_invalid", sentence)
    return row


def unsubscribe(*, token: str, at: datetime) -> Subscription:
    """
    End the subscription that a link in a mail is about; one that has ended stays so.

    Raises: NotAllowed - link_invalid.
    Writes: reviews_subscription, plum_auditevent.
    """
    row = read_unsubscribe_token(token=token)
    with transaction.atomic():
        row = Subscription.objects.select_for_update(of=("self",)).select_related("program").get(pk=row.pk)
        if row.state != SubscriptionState.UNSUBSCRIBED:
            comment = "By the link in a mail."
            change_subscription(subscription_id=row.pk, name="end", actor=audit.SYSTEM, at=at, comment=comment)
            row.refresh_from_db(fields=["state"])
    return row


def _find_person(program_id: int, user_id: int | None) -> User | None:
    if user_id is None:
        return None
    user = User.objects.filter(pk=user_id).first()
    if user is None or not works_in(user, program_id):
        sentence = "This person has no role in the program. Grant one first, or leave the person empty."
        raise InvalidInput("person_without_role", f"{sentence} Nothing was changed.", {"user": sentence})
    return user


def _check_scope(program_id: int, scope: str, value: str, user: User | None) -> str:
    """The scope's value as it is stored."""
    if scope not in SubscriptionScope.values:
        sentence = f"Choose one of {', '.join(SubscriptionScope.values)}."
        raise InvalidInput("unknown_scope", f"{sentence} Nothing was changed.", {"scope": sentence})
    if scope == SubscriptionScope.OWNED and user is None:
        sentence = "Only a person with a login owns partners: choose one."
        raise InvalidInput("person_required", f"{sentence} Nothing was changed.", {"user": sentence})
    if scope == SubscriptionScope.CATEGORY:
        if not value or not Category.objects.filter(program_id=program_id, code=value).exists():
            sentence = f"There is no category {value!r} in this program."
            raise InvalidInput("unknown_category", f"{sentence} Nothing was changed.", {"scope_value": sentence})
        return value
    if scope == SubscriptionScope.COUNTRY:
        program = Program.objects.get(pk=program_id)
        if not value or not program.partners.filter(country=value.upper()).exists():
            sentence = f"No partner of this program is in {value or 'an empty country'!r}. Write a code such as DE."
            raise InvalidInput("unknown_country", f"{sentence} Nothing was changed.", {"scope_value": sentence})
        return value.upper()
    return ""
