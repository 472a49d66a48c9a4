"""Keys are made once, kept from others, and never lead from one program or purpose to another."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st

from plum_site.lib import keys
from plum_site.settings import _env

FIRST = UUID("018f0000-0000-7000-8000-000000000001")
SECOND = UUID("018f0000-0000-7000-8000-000000000002")


def test_every_program_and_purpose_has_a_key_of_its_own() -> None:
    made = {
        keys.program_key(program, purpose)
        for program in (FIRST, SECOND)
        for purpose in ("identity", "content", "lookup", "vault")
    }

    assert len(made) == 8
    assert all(len(key) == 32 for key in made)
    assert keys.program_key(FIRST, "vault") in made


def test_no_derived_key_is_the_master_key() -> None:
    assert keys.master_key() not in {keys.derive("ledger-heads"), keys.program_key(FIRST, "vault")}


@given(first=st.lists(st.text(), max_size=4), second=st.lists(st.text(), max_size=4))
def test_only_the_same_parts_have_the_same_digest(first: list[str], second: list[str]) -> None:
    key = b"k" * 32

    assert (keys.digest(key, *first) == keys.digest(key, *second)) == (first == second)


def test_parts_of_a_digest_do_not_run_together() -> None:
    assert keys.digest(b"k" * 32, "ab", "c") != keys.digest(b"k" * 32, "a", "bc")
    assert keys.digest(b"k" * 32, "ab") != keys.digest(b"l" * 32, "ab")


@given(plain=st.binary(max_size=200))
def test_what_is_sealed_opens_with_its_key_and_never_looks_the_same(plain: bytes) -> None:
    key = b"k" * 32
    sealed = keys.seal(key, plain)

    assert keys.unseal(key, sealed) == plain
    assert keys.seal(key, plain) != sealed
    assert not plain or plain not in sealed or len(plain) < 4


@pytest.mark.parametrize("place", [0, 12, -1])
def test_a_changed_byte_or_another_key_does_not_open(place: int) -> None:
    sealed = bytearray(keys.seal(b"k" * 32, b"member-17"))

    with pytest.raises(InvalidTag):
        keys.unseal(b"l" * 32, bytes(sealed))
    sealed[place] ^= 1
    with pytest.raises(InvalidTag):
        keys.unseal(b"k" * 32, bytes(sealed))


def test_the_signing_key_is_the_same_every_time() -> None:
    message = b"head"

    keys.signing_key().public_key().verify(keys.signing_key().sign(message), message)


def test_a_key_file_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(lambda turn: _env.secret_file(folder, "master.key"), range(32)))

    assert len(answers) == 1
    assert len(bytes.fromhex(answers.pop())) == 32
    assert os.listdir(folder) == ["master.key"]
    assert stat.S_IMODE((folder / "master.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
