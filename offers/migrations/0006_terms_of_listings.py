"""Terms that stood in listings become terms by day: the first ones from the beginning, others from their publication on."""

from typing import Any

from django.db import migrations

from plum_site.lib.periods import local_date

AT_ONCE = 1000


def date_terms(apps: Any, schema_editor: Any) -> None:
    """One row for each version that brought other terms than the one before."""
    listings, terms = apps.get_model("offers", "Listing"), apps.get_model("offers", "OfferTerms")
    rows, offer_id, held, is_first = [], None, "", True
    columns = ("offer_id", "terms", "published_at", "published_by", "offer__program__time_zone")
    for pk, text, at, by, time_zone in listings.objects.order_by("offer_id", "number").values_list(*columns).iterator():
        if pk != offer_id:
            offer_id, held, is_first = pk, "", True
        if text != held:
            since = None if is_first else local_date(at, time_zone)
            rows.append(terms(offer_id=pk, text=text, starts_date=since, made_at=at, made_by=by))
            held, is_first = text, False
    terms.objects.bulk_create(rows, batch_size=AT_ONCE)


class Migration(migrations.Migration):
    dependencies = [("offers", "0005_listings_terms_pictures_days")]

    operations = [migrations.RunPython(date_terms, migrations.RunPython.noop)]
