from typing import Any

from django.conf import settings

from plum_site.lib.commands import PlumCommand
from plum_site.reference import PAGES


class Command(PlumCommand):
    help = "Write the pages of docs/ that are made from the code: permissions, schedule, the API, the event schema."
    example = "./plum manage write_reference"
    reports = False

    def handle(self, *args: Any, **options: Any) -> None:
        """Write those that differ."""
        for path, write in PAGES.items():
            text = write()
            page = settings.BASE_DIR / path
            differs = not page.exists() or page.read_text(encoding="utf-8") != text
            if differs:
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(text, encoding="utf-8")
            self.stdout.write(f"{path}: {'written' if differs else 'as it was'}")
