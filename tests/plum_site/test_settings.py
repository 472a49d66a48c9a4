"""A setting that is missing or wrong says which one, what it is for and how to write it; nothing is guessed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from plum_site.settings import _env

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "plum_site.settings.prod",
    "DATABASE_URL": "postgres://plum@127.0.0.1/plum",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "PLUM_BASE_URL": "https://plum.example.org",
    "PLUM_SECRET_KEY": "s" * 60,
    "PLUM_MASTER_KEY": "00" * 32,
    "PLUM_SMTP_HOST": "smtp.example.org",
    "PLUM_MAIL_FROM": "Plum <plum@example.org>",
}


def read(expression: str, tmp_path: Path, checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Print one expression over Django's settings in a process of its own, with nothing in the environment but what is given."""
    code = f"from django.conf import settings; print({expression})"
    clean = {"PATH": os.environ["PATH"], "PLUM_VAR": str(tmp_path / "var"), **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=checkout, env=clean, capture_output=True, text=True, check=False)


def test_a_missing_setting_says_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUM_TRIAL", raising=False)

    with pytest.raises(ImproperlyConfigured) as refusal:
        _env.text("PLUM_TRIAL", purpose="a trial", example="x")

    assert str(refusal.value).startswith("PLUM_TRIAL is not set. It is a trial. Example: PLUM_TRIAL=x")
    assert "docs/operations/settings.md#plum_trial" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("YES", True), ("on", True), ("0", False), ("no", False), ("", False)]
)
def test_yes_and_no_are_read_in_the_usual_words(value: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUM_TRIAL", value)

    assert _env.flag("PLUM_TRIAL", not expected, purpose="a trial") is expected


def test_what_is_neither_yes_nor_no_nor_a_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUM_TRIAL", "perhaps")

    with pytest.raises(ImproperlyConfigured, match="PLUM_TRIAL='perhaps' is neither yes nor no"):
        _env.flag("PLUM_TRIAL", True, purpose="a trial")
    with pytest.raises(ImproperlyConfigured, match="PLUM_TRIAL='perhaps' is not a whole number"):
        _env.number("PLUM_TRIAL", 1, purpose="a trial")
    with pytest.raises(ImproperlyConfigured, match="PLUM_TRIAL='perhaps' is none of tls, none"):
        _env.choice("PLUM_TRIAL", "tls", ("tls", "none"), purpose="a trial")


def test_socket_paths_stay_short_however_deep_the_state_folder_lies() -> None:
    deep = Path("/" + "/".join(["a-long-name"] * 30))

    assert len(str(_env.socket_folder(deep) / "valkey.sock")) < 108
    assert _env.socket_folder(deep) != _env.socket_folder(deep.parent)


def test_tests_keep_their_state_to_themselves(checkout: Path) -> None:
    assert Path(settings.VAR) != checkout / "var"
    own = Path(settings.VAR)
    folder = own.parent if own.name == os.environ.get("PYTEST_XDIST_WORKER") else own
    assert folder.name.startswith("plum-test-")


@pytest.mark.slow
def test_production_starts_with_its_settings(tmp_path: Path, checkout: Path) -> None:
    expression = "settings.DEBUG, settings.ALLOWED_HOSTS, settings.SESSION_COOKIE_SECURE, settings.DATABASES['default']['ENGINE']"

    answer = read(expression, tmp_path, checkout, **PRODUCTION)

    assert answer.stdout.strip() == "False ['plum.example.org'] True django.db.backends.postgresql", answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["PLUM_BASE_URL", "PLUM_SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_production_refuses_to_start_without(missing: str, tmp_path: Path, checkout: Path) -> None:
    rest = {name: value for name, value in PRODUCTION.items() if name != missing}

    answer = read("settings.DEBUG", tmp_path, checkout, **rest)

    assert answer.returncode != 0
    assert f"{missing} is not set" in answer.stderr


@pytest.mark.slow
def test_production_refuses_to_start_with_crash_points(tmp_path: Path, checkout: Path) -> None:
    answer = read("settings.DEBUG", tmp_path, checkout, **PRODUCTION, PLUM_CRASH_POINTS=str(tmp_path))

    assert answer.returncode != 0
    assert "PLUM_CRASH_POINTS is set, and must not be here" in answer.stderr


@pytest.mark.slow
def test_only_development_settings_know_where_crash_points_are_armed(tmp_path: Path, checkout: Path) -> None:
    armed = {"DJANGO_SETTINGS_MODULE": "plum_site.settings.dev", "PLUM_CRASH_POINTS": str(tmp_path)}

    assert read("settings.CRASH_POINTS", tmp_path, checkout, **armed).stdout.strip() == str(tmp_path)
    assert read("hasattr(settings, 'CRASH_POINTS')", tmp_path, checkout, **PRODUCTION).stdout.strip() == "False"


@pytest.mark.slow
def test_keys_given_by_the_environment_leave_no_key_file(tmp_path: Path, checkout: Path) -> None:
    """A second master key on the disk would be taken for the real one some day."""
    answer = read("settings.MASTER_KEY", tmp_path, checkout, **PRODUCTION)

    assert answer.stdout.strip() == PRODUCTION["PLUM_MASTER_KEY"]
    assert not list((tmp_path / "var").glob("keys/*.key"))


@pytest.mark.slow
@pytest.mark.parametrize("key", ["not hex at all", "abcd"])
def test_a_master_key_that_is_none_is_refused_at_the_start(key: str, tmp_path: Path, checkout: Path) -> None:
    answer = read("settings.MASTER_KEY", tmp_path, checkout, **{**PRODUCTION, "PLUM_MASTER_KEY": key})

    assert answer.returncode != 0
    assert "PLUM_MASTER_KEY" in answer.stderr
    assert key not in answer.stderr


def test_networks_are_read_in_their_usual_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLUM_TRIAL", raising=False)
    assert _env.networks("PLUM_TRIAL", purpose="a trial") == []

    monkeypatch.setenv("PLUM_TRIAL", "10.20.0.0/16, fd12::/32,")
    assert [str(network) for network in _env.networks("PLUM_TRIAL", purpose="a trial")] == ["10.20.0.0/16", "fd12::/32"]

    monkeypatch.setenv("PLUM_TRIAL", "10.20.0.1/16")
    with pytest.raises(ImproperlyConfigured, match=r"PLUM_TRIAL: 10\.20\.0\.1/16 has host bits set.*Example: PLUM_TRIAL="):
        _env.networks("PLUM_TRIAL", purpose="a trial")


def test_tests_that_run_beside_each_other_share_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []
    for worker in ("gw0", "gw1", "gw1", ""):  # a child of gw1 sees what gw1 was given
        if worker != "gw1" or not folders[-1].endswith("gw1"):
            monkeypatch.setenv("PLUM_TEST_VAR", str(tmp_path))
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        monkeypatch.setenv("PLUM_VAR", "elsewhere")
        _env.use_temporary_state()
        folders.append(os.environ["PLUM_VAR"])
    assert folders == [str(tmp_path / "gw0"), str(tmp_path / "gw1"), str(tmp_path / "gw1"), str(tmp_path)]
