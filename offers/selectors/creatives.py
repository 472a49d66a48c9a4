"""Where pictures of the catalog lie, at which address they are fetched, and which of them are shown."""

import re
from pathlib import Path

from django.core.files.storage import default_storage
from django.urls import reverse

from offers.choices import OPEN_DRAFT
from offers.models import Creative, Listing, ListingDraft
from plum_site.lib.announcements import address_of

FOLDER = "creatives"
SMALL = "-small"
NAME = re.compile(r"([0-9a-f]{64})(-small)?\.(jpg|png)")
TYPES = {"jpg": "image/jpeg", "png": "image/png"}


def creative_file(name: str) -> Path:
    """
    Where a file of this name lies, whether it is there or not.

    Shape: a path within the storage. The name must match NAME.
    """
    return Path(default_storage.path(f"{FOLDER}/{name[:2]}/{name}"))


def creative_url(creative: Creative, *, small: bool = False) -> str:
    """
    The whole address at which everybody fetches a picture.

    Shape: text, below PLUM_BASE_URL.
    """
    return address_of("creative", f"{creative.sha256}{SMALL if small else ''}.{creative.extension}")


def creative_path(name: str) -> str:
    """
    The address of a picture within this site, for our own pages.

    Shape: text. The name must match NAME.
    """
    return reverse("creative", args=[name])


def find_own_picture(url: str) -> str:
    """
    The name of the picture that an address of ours leads to; "" for an address elsewhere.

    Shape: text.
    """
    match = re.search(rf"/{FOLDER}/({NAME.pattern})$", url)
    return f"{match[2]}.{match[4]}" if match else ""


def list_shown_names() -> set[str]:
    """
    The pictures that any version of a listing shows or has shown, or a draft that is worked on, in every program.

    Shape: names of files, without those of small forms.
    """
    ours = f"/{FOLDER}/"
    urls = set(Listing.objects.filter(creative_url__contains=ours).values_list("creative_url", flat=True).distinct())
    drafts = ListingDraft.objects.filter(state__in=OPEN_DRAFT, creative_url__contains=ours)
    urls |= set(drafts.values_list("creative_url", flat=True))
    return {find_own_picture(url) for url in urls}
