"""Typed reading of environment variables. Every error names the variable, what it is for and an example."""

import atexit
import contextlib
import hashlib
import ipaddress
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None, *, purpose: str, example: str) -> str:
    """The value of `name`, or `default`; ImproperlyConfigured with the remedy where there is neither."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(
            f"{name} is not set. It is {purpose}. Example: {name}={example} (docs/operations/settings.md#{name.lower()})"
        )
    return value


def for_tests(name: str) -> str:
    """`name` as tests set it for the processes they start; empty everywhere else."""
    return os.environ.get(name, "")


def refuse(name: str, *, reason: str) -> None:
    """ImproperlyConfigured if `name` is set at all."""
    if os.environ.get(name):
        raise ImproperlyConfigured(f"{name} is set, and must not be here: {reason}. Unset it; Plum was not started.")


def flag(name: str, default: bool, *, purpose: str) -> bool:
    """`name` as a boolean: 1/true/yes/on or 0/false/no/off."""
    value = os.environ.get(name, str(default)).lower()
    if value not in TRUE | FALSE:
        raise ImproperlyConfigured(f"{name}={value!r} is neither yes nor no. It is {purpose}. Example: {name}=1")
    return value in TRUE


def number(name: str, default: int, *, purpose: str) -> int:
    """`name` as a whole number."""
    value = os.environ.get(name, str(default))
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}={value!r} is not a whole number. It is {purpose}. Example: {name}={default}"
        ) from None


def quota(name: str, default: int, *, purpose: str, smallest: int = 1) -> int:
    """`name` as a number that nothing may exceed: 0 for no limit, else at least `smallest`."""
    value = number(name, default, purpose=purpose)
    if value and value < smallest:
        raise ImproperlyConfigured(
            f"{name}={value} is less than {smallest} and not 0, which sets no limit. It is {purpose}. Example: {name}={default}"
        )
    return value


def networks(name: str, *, purpose: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """`name` as networks in CIDR form with commas between them; none where it is not set."""
    texts = [text.strip() for text in os.environ.get(name, "").split(",") if text.strip()]
    try:
        return [ipaddress.ip_network(text) for text in texts]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}. It is {purpose}. Example: {name}=10.20.0.0/16,fd12::/32") from None


def choice(name: str, default: str, values: tuple[str, ...], *, purpose: str) -> str:
    """`name` as one of a few words."""
    value = os.environ.get(name, default).lower()
    if value not in values:
        words = ", ".join(values)
        raise ImproperlyConfigured(f"{name}={value!r} is none of {words}. It is {purpose}. Example: {name}={default}")
    return value


def state_folder(checkout: Path) -> Path:
    """The folder of everything that is not code: `PLUM_VAR`, or `var` in the checkout. Made 0700 at first need."""
    folder = Path(os.environ.get("PLUM_VAR") or checkout / "var").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def socket_folder(var: Path) -> Path:
    """A short folder for unix sockets, named after the state folder: socket paths may not exceed 107 bytes."""
    return Path(tempfile.gettempdir()) / f"plum-{hashlib.sha256(str(var).encode()).hexdigest()[:10]}"


def secret_file(folder: Path, name: str) -> str:
    """The text of a 0600 key file under `folder`, made from 256 random bits at first need, safe against a race."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process made it first: its key is the key
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii").strip()


def secret(name: str, folder: Path, file: str) -> str:
    """`name`, else a key file: made only where the variable is not set, so that no second key lies about to be taken for it."""
    return os.environ.get(name) or secret_file(folder, file)


def secret_key(name: str, folder: Path, file: str) -> str:
    """`secret` that must be 32 bytes as hex digits. The error does not show it."""
    value = secret(name, folder, file)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ImproperlyConfigured(
            f"{name} (or {file} in {folder}) is not 64 hex digits. Plum was not started. "
            "Put the key back that this installation began with: docs/operations/settings.md#" + name.lower()
        )
    return value


def use_temporary_state() -> None:
    """
    Send `PLUM_VAR` to a new folder that goes with this process: tests never touch a real one. Child processes share it, but
    each that runs tests beside others (pytest-xdist) has one of its own in there, as it has a database of its own.
    """
    if "PLUM_TEST_VAR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="plum-test-")
        maker = os.getpid()
        atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == maker else None)
        os.environ["PLUM_TEST_VAR"] = folder
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker and Path(os.environ["PLUM_TEST_VAR"]).name != worker:
        own = Path(os.environ["PLUM_TEST_VAR"]) / worker
        own.mkdir(mode=0o700, exist_ok=True)
        os.environ["PLUM_TEST_VAR"] = str(own)
    os.environ["PLUM_VAR"] = os.environ["PLUM_TEST_VAR"]
