"""What a start may skip: only what it would do again to the very same end."""

import shutil
import sqlite3

import pytest

from plum_site.local.done import Done

ENV = {"DJANGO_SETTINGS_MODULE": "plum_site.settings.dev"}
MARKS = ["migrations", "demo", "static"]


def make_state(folder, instant="2026-07-15 09:30:00.000001"):
    """A state folder as a complete start leaves it."""
    (folder / "run").mkdir(parents=True)
    (folder / "static").mkdir()
    (folder / "static" / "staticfiles.json").touch()
    with sqlite3.connect(folder / "plum.sqlite3") as database:
        database.execute("create table django_migrations (id integer primary key, app, name, applied)")
        database.execute("insert into django_migrations values (1, 'partners', '0001', ?)", [instant])
        database.execute("create table plum_auditevent (id integer primary key, object_ref, at, action)")
        database.execute("insert into plum_auditevent values (7, 'partners.Program:1', ?, 'demo.finish_seeding')", [instant])
    database.close()
    return folder


@pytest.fixture
def done(tmp_path):
    done = Done(make_state(tmp_path / "var"), ENV)
    for name in MARKS:
        done.remember(name, getattr(done, name)())
    return done


def holds(done):
    """The steps that need not be done again."""
    return [name for name in MARKS if done.has(name, getattr(done, name)())]


def test_what_is_unchanged_holds_also_for_the_next_start(done):
    assert holds(done) == holds(Done(done.var, ENV)) == MARKS


def test_nothing_holds_before_it_was_done(tmp_path):
    assert holds(Done(make_state(tmp_path / "var"), ENV)) == []
    assert holds(Done(tmp_path / "empty", ENV)) == []


def test_a_lost_database_is_made_anew(done):
    done.database.unlink()
    assert holds(done) == ["static"]
    assert not done.database.exists(), "looking at it does not make one"


def test_another_database_in_its_place_is_seen(done, tmp_path):
    other = make_state(tmp_path / "other", instant="2026-07-15 09:30:00.000002")
    shutil.copyfile(other / "plum.sqlite3", done.database)  # into the same file
    assert holds(done) == ["static"]


def test_a_backup_from_before_the_demo_is_seen(done):
    with sqlite3.connect(done.database) as database:
        database.execute("delete from plum_auditevent")
    database.close()
    assert holds(done) == ["migrations", "static"]


def test_what_is_no_database_is_never_skipped(done):
    done.database.write_bytes(b"this is not a database, though it is here" * 100)
    assert holds(done) == ["static"]


def test_lost_static_files_are_collected_again(done):
    shutil.rmtree(done.var / "static")
    assert holds(done) == ["migrations", "demo"]


def test_other_settings_or_a_database_elsewhere_hold_nothing_back(done):
    assert holds(Done(done.var, {"DJANGO_SETTINGS_MODULE": "plum_site.settings.prod"})) == []
    assert holds(Done(done.var, {**ENV, "DATABASE_URL": "postgres://plum@/plum"})) == ["static"]


def test_a_memory_that_was_cut_short_is_no_memory(done):
    done.path.write_text('{"migrations": "', encoding="utf-8")
    assert holds(done) == []
    done.remember("static", done.static())
    assert holds(done) == ["static"]
