"""A running Plum of its own for each fault test, on either engine, and figures of what it survived."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plum_site.local.servers import Postgres
from tests.faults.checker import call
from tests.faults.figures import Figures
from tests.faults.lab import ROOT, TOKEN, Lab, base_environment

ENGINES = ("sqlite", "postgresql")
# As in production, but for a small machine: what is acknowledged has reached the disk.
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "64MB", "max_connections": "60"}


def migrate(**variables: str) -> None:
    """Make the tables of one new database."""
    env = base_environment() | {"DJANGO_SETTINGS_MODULE": "plum_site.settings.dev"} | variables
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "--no-input", "-v", "0"], cwd=ROOT, env=env, check=True)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with an empty, migrated SQLite database, made once."""
    folder = tmp_path_factory.mktemp("migrated") / "var"
    migrate(PLUM_VAR=str(folder))
    return folder


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Path:
    """The same with the program of `tests.faults.stock`; the token that may send its events lies beside the database."""
    folder = tmp_path_factory.mktemp("stocked")
    lab = Lab(folder, migrated)
    (lab.var / TOKEN).write_text(call(lab, "stock"), encoding="ascii")
    lab.close()
    return lab.var


@pytest.fixture(scope="session")
def stocked_postgres(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[tuple[Postgres, Path]]:
    """The data folder of a PostgreSQL with that program, and the state folder that goes with it; no server runs on it."""
    folder = tmp_path_factory.mktemp("postgres")
    server = Postgres(folder / "log", DURABLE)
    server.start()
    server.psql("create database plum", database="postgres")
    lab = Lab(folder, migrated, server)
    migrate(PLUM_VAR=str(lab.var), DATABASE_URL=server.url)
    (lab.var / TOKEN).write_text(call(lab, "stock"), encoding="ascii")
    server.stop()
    yield server, lab.var
    lab.close()


@pytest.fixture
def make_lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Lab]]:
    """A function that makes a lab with the stocked program on an engine, with nothing but its database running."""
    made: list[Lab] = []

    def make(engine: str) -> Lab:
        folder = tmp_path / f"lab{len(made)}"
        folder.mkdir()
        if engine == "postgresql":
            template, var = request.getfixturevalue("stocked_postgres")
            postgres = Postgres(folder / "postgres.log", DURABLE, template=template)
            postgres.start()
            made.append(Lab(folder, var, postgres))
        else:
            made.append(Lab(folder, request.getfixturevalue("stocked")))
        return made[-1]

    yield make
    for lab in made:
        lab.close()


@pytest.fixture
def lab(tmp_path: Path, migrated: Path) -> Iterator[Lab]:
    """A lab on SQLite with nothing in its database and nothing running yet."""
    made = Lab(tmp_path, migrated)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=ENGINES)
def both(request: pytest.FixtureRequest, make_lab: Callable[[str], Lab]) -> Lab:
    """A lab with the stocked program on each engine in turn."""
    return make_lab(request.param)


@pytest.fixture
def twin(make_lab: Callable[[str], Lab]) -> Lab:
    """A lab with the stocked program in which nothing goes wrong, to compare with."""
    return make_lab("sqlite")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What this test counts; it stands in the report of the run."""
    return Figures(request.node)
