"""Pictures of the catalog: brought, kept under the hash of their bytes, and removed where no listing came to show them."""

import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction

from offers.models import Creative
from offers.selectors.creatives import FOLDER, SMALL, creative_file, list_shown_names
from offers.services.pictures import Picture, make_picture
from partners.models import Program
from plum_site.lib import audit
from plum_site.lib.models import User

KEPT_UNUSED = timedelta(days=7)
HALF_WRITTEN = timedelta(days=1)


def bring_creative(*, program_id: int, content: bytes, actor: User | str, at: datetime) -> Creative:
    """
    Keep a picture, encoded anew, under an address that never changes; the same picture again is the same row.

    The files are there before the row is: a crash between the two leaves files that tidy_creatives removes.
    Raises: InvalidInput, as make_picture.
    Writes: files in the storage; offers_creative, plum_auditevent; one transaction.
    """
    picture = make_picture(content)
    with transaction.atomic():
        Program.objects.select_for_update().get(pk=program_id)
        known = Creative.objects.filter(program_id=program_id, sha256=picture.sha256).first()
        put_files(picture)
        if known is not None:
            return known
        creative = Creative.objects.create(
            program_id=program_id,
            sha256=picture.sha256,
            extension=picture.extension,
            width=picture.width,
            height=picture.height,
            size_bytes=len(picture.content),
            brought_at=at,
            brought_by=audit.actor_name(actor),
        )
        after = {"name": creative.name, "width": creative.width, "height": creative.height, "size_bytes": creative.size_bytes}
        audit.record(program_id=program_id, actor=actor, action="offers.bring_creative", row=creative, at=at, after=after)
    return creative


def put_files(picture: Picture) -> None:
    """
    Write both sizes of a picture where they are not there yet, each in one step.

    Raises: OSError, where the storage cannot be written.
    Writes: files in the storage.
    """
    stem = f"{picture.sha256}.{picture.extension}"
    for name, content in ((stem, picture.content), (f"{picture.sha256}{SMALL}.{picture.extension}", picture.small)):
        target = creative_file(name)
        if target.is_file():
            os.utime(target)  # as new for tidy_creatives, which must not take it from under the row to come
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f".{secrets.token_hex(8)}.part")
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o600)
        part.replace(target)


def tidy_creatives(*, at: datetime) -> dict[str, int]:
    """
    Remove pictures that no listing or draft shows a week after they were brought, and files that belong to no row.

    Raises: nothing of its own.
    Writes: offers_creative, plum_auditevent, files in the storage. Safe to run twice.
    """
    shown = list_shown_names()
    removed = 0
    for creative in Creative.objects.filter(brought_at__lt=at - KEPT_UNUSED).order_by("id"):
        if creative.name not in shown:
            removed += remove_unused(creative.pk, at)
    kept = set(Creative.objects.values_list("sha256", flat=True))
    files = 0
    before = (at - HALF_WRITTEN).timestamp()
    for path in sorted(Path(default_storage.path(FOLDER)).glob("*/*")):
        if path.name[:64] not in kept and path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
            files += 1
    return {"creatives": removed, "files": files}


def remove_unused(creative_id: int, at: datetime) -> int:
    """
    Remove the row of a picture unless a listing shows it by now; how many rows went. Its files go with the next sweep.

    Raises: nothing of its own.
    Writes: offers_creative, plum_auditevent; one transaction.
    """
    with transaction.atomic():
        creative = Creative.objects.select_for_update(of=("self",)).filter(pk=creative_id).first()
        if creative is None or creative.name in list_shown_names():
            return 0
        audit.record(
            program_id=creative.program_id,
            actor=audit.SYSTEM,
            action="offers.remove_creative",
            row=creative,
            at=at,
            before={"name": creative.name},
        )
        creative.delete()
    return 1
