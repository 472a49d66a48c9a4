"""A package that was touched is not whole, and the first thing that is wrong is named; no database is asked."""

import io
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command
from django.core.management.base import CommandError

from exports.rules import canonical
from exports.services import Fault, check_package
from exports.services.places import package_folder
from plum_site.lib import keys
from tests.factories.exports import export, make_exported_program

pytestmark = pytest.mark.slow

DATA = "data/events-00001.csv"


@pytest.fixture
def package(db: None, tmp_path: Path) -> Path:
    """A whole package, somewhere else."""
    made = export(make_exported_program(time_zone="UTC"))
    return Path(shutil.copytree(package_folder(made), tmp_path / "package"))


def find_fault(folder: Path, **options: Any) -> Fault | None:
    return check_package(folder=folder, **options)[0]


def change(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))


def resign(folder: Path, edit: Callable[[dict[str, Any]], None] = lambda manifest: None) -> None:
    """What someone with the key could do: new hashes, new sizes, a new signature."""
    manifest = json.loads((folder / "datapackage.json").read_text())
    for resource in manifest["resources"]:
        text = (folder / resource["path"]).read_bytes()
        resource["bytes"], resource["hash"] = len(text), f"sha256:{sha256(text).hexdigest()}"
    edit(manifest)
    sums = "".join(f"{row['hash'][7:]}  {row['path']}\n" for row in manifest["resources"])
    (folder / "SHA256SUMS").write_text(sums)
    manifest["plum"]["signature"] = keys.signing_key().sign(canonical(manifest)).hex()
    (folder / "datapackage.json").write_text(json.dumps(manifest))


def test_a_whole_package_has_no_fault(package: Path) -> None:
    fault, described = check_package(folder=package)

    assert fault is None
    assert described["rows"] == 8
    resign(package)
    assert find_fault(package) is None


def test_one_flipped_bit_is_found(package: Path) -> None:
    change(package / DATA, lambda text: text[:500] + bytes([text[500] ^ 1]) + text[501:])

    fault = find_fault(package)

    assert fault is not None
    assert (fault.file, "its SHA-256 is not the one" in fault.detail) == (DATA, True)


def test_a_dropped_row_is_found(package: Path) -> None:
    change(package / DATA, lambda text: b"".join(text.splitlines(keepends=True)[:-1]))

    fault = find_fault(package)

    assert fault is not None
    assert (fault.file, "bytes where" in fault.detail) == (DATA, True)


def test_a_dropped_row_is_found_though_hashes_were_made_anew(package: Path) -> None:
    change(package / DATA, lambda text: b"".join(text.splitlines(keepends=True)[:-1]))
    resign(package)

    fault = find_fault(package)

    assert fault is not None
    assert fault.detail == "has 7 rows where 8 were written."


def test_a_changed_amount_is_found_though_hashes_were_made_anew(package: Path) -> None:
    change(package / DATA, lambda text: text.replace(b"12.50", b"13.50"))
    resign(package)

    fault = find_fault(package)

    assert fault is not None
    assert "its sum of spend is {'EUR': '12.50'" in fault.detail


def test_a_file_of_another_package_is_found(package: Path) -> None:
    other = package_folder(export(make_exported_program("other", time_zone="UTC")))
    shutil.copyfile(other / DATA, package / DATA)

    fault = find_fault(package)

    assert fault is not None
    assert fault.file == DATA


@pytest.mark.parametrize("name", [DATA, "SHA256SUMS", "datapackage.json"])
def test_a_missing_file_is_named(package: Path, name: str) -> None:
    (package / name).unlink()

    fault = find_fault(package)

    assert fault is not None
    assert fault.file == name


def test_a_file_too_many_is_named(package: Path) -> None:
    (package / "data/events-00002.csv").write_text("more")

    fault = find_fault(package)

    assert fault is not None
    assert fault.file == "data/events-00002.csv"


@pytest.mark.parametrize(
    ("edit", "detail"),
    [
        (lambda text: text.replace(b'"rows": 8', b'"rows": 9'), "its signature does not fit"),
        (lambda text: text[:-40], "is no manifest of Plum"),
        (lambda text: b"[]", "is no manifest of Plum"),
        (lambda text: b'{"plum": {}}', "is no manifest of Plum"),
    ],
)
def test_a_changed_manifest_is_named(package: Path, edit: Callable[[bytes], bytes], detail: str) -> None:
    change(package / "datapackage.json", edit)

    fault = find_fault(package)

    assert fault is not None
    assert (fault.file, fault.detail.startswith(detail)) == ("datapackage.json", True)


def test_sums_that_say_something_else_are_named(package: Path) -> None:
    change(package / "SHA256SUMS", lambda text: b"0" * 64 + text[64:])

    fault = find_fault(package)

    assert fault is not None
    assert fault.file == "SHA256SUMS"


def test_a_package_of_another_plum_is_told_apart(package: Path) -> None:
    mine = keys.signing_key().public_key().public_bytes_raw().hex()
    strange = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()

    assert find_fault(package, public_key=mine) is None
    fault = find_fault(package, public_key=strange)
    assert fault is not None
    assert "was signed with another key" in fault.detail


def test_paths_that_lead_elsewhere_are_refused(package: Path) -> None:
    def lead_astray(manifest: dict[str, Any]) -> None:
        manifest["resources"][0]["path"] = "data/../../secret"

    (package.parent / "secret").write_text("x")
    resign(package, lead_astray)

    fault = find_fault(package)

    assert fault is not None
    assert "does not lie in data/" in fault.detail


def test_a_broken_row_is_named_with_its_line(package: Path) -> None:
    change(package / DATA, lambda text: text.replace(b"EUR", b"XXX", 1))
    resign(package)

    fault = find_fault(package)

    assert fault is not None
    assert (fault.file, fault.line) == (DATA, 6)


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("export", *arguments, stdout=out, stderr=out)
    except CommandError as error:
        return error.returncode, out.getvalue() + str(error)
    return 0, out.getvalue()


def test_the_command_says_whole_or_names_the_fault(package: Path, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert run("verify", str(package))[0] == 0
        (package / DATA).unlink()
        status, said = run("verify", str(package))
        broken = json.loads(run("verify", str(package), "--format", "json")[1].splitlines()[0])
        missing = run("verify", str(package / "nowhere"))

    assert (status, "data/events-00001.csv: is missing." in said) == (1, True)
    assert broken["fault"]["file"] == DATA
    assert missing[0] == 2
    assert run("key")[1].strip() == keys.signing_key().public_key().public_bytes_raw().hex()
