"""What earlier starts have done and need not be done again: remembered with everything that the result depends on."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from plum_site.local.door import door

APPLIED = "SELECT id, app, name, applied FROM django_migrations ORDER BY id"
SEEDED = "SELECT id, object_ref, at FROM plum_auditevent WHERE action = 'demo.finish_seeding' ORDER BY id"


class Done:
    """
    Marks of one state folder. A mark names all that a step depends on and what it left; an empty one is never as before.

    The database's part is read from the database itself: the rows that the step wrote, with their instants. One that was
    lost, replaced or brought back from an older copy has other rows, so nothing is skipped for it. Only the embedded
    SQLite is looked at: with DATABASE_URL everything is asked anew at each start.
    """

    def __init__(self, var: Path, env: dict[str, str]) -> None:
        self.var, self.settings, self.path = var, env["DJANGO_SETTINGS_MODULE"], var / "run" / "done.json"
        self.database = None if env.get("DATABASE_URL") else var / "plum.sqlite3"

    def migrations(self) -> str:
        """The mark of a migrated database."""
        return self._of_database(APPLIED, "**/migrations/*.py", "settings/*.py")

    def demo(self) -> str:
        """The mark of sample programs that are complete."""
        return self._of_database(SEEDED, "demo/**/*", "settings/*.py")

    def static(self) -> str:
        """The mark of collected static files."""
        collected = self.var / "static" / "staticfiles.json"
        return tree_digest("static/**/*", "settings/*.py", also=self.settings) if collected.is_file() else ""

    def has(self, name: str, mark: str) -> bool:
        """Whether that step was done under this very mark."""
        return bool(mark) and door.read_json(self.path).get(name) == mark

    def remember(self, name: str, mark: str) -> None:
        """Keep a mark after success; whoever is killed while writing loses nothing but time."""
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps({**door.read_json(self.path), name: mark}), encoding="utf-8")
        draft.replace(self.path)

    def _of_database(self, query: str, *patterns: str) -> str:
        if self.database is None or not self.database.is_file():
            return ""
        try:
            with closing(sqlite3.connect(f"{self.database.as_uri()}?mode=rw", uri=True, timeout=5)) as connection:
                rows = connection.execute(query).fetchall()
        except sqlite3.Error:
            return ""
        return tree_digest(*patterns, also=f"{self.settings} {rows}") if rows else ""


def tree_digest(*patterns: str, also: str = "") -> str:
    """
    A name for the present files of our packages that match, the lock, and what else is given.

    It changes with any edit and costs no reading of the files.
    """
    packages = [folder for folder in door.ROOT.iterdir() if (folder / "__init__.py").is_file()]
    found = sorted(
        (str(path.relative_to(door.ROOT)), path.stat().st_size, path.stat().st_mtime_ns)
        for package in packages
        for pattern in patterns
        for path in package.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    )
    return str(door.digest(repr(found), also, (door.ROOT / door.LOCKS["runtime"]).read_bytes()))
