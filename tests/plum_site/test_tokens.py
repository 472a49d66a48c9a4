"""API tokens: what is kept, what is found, what ends them."""

import json
import re
from datetime import datetime, timedelta
from unittest import mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from partners.models import Program
from plum_site.lib import tokens
from plum_site.lib.errors import InvalidInput, NotFound
from plum_site.lib.models import ApiToken, AuditEvent
from plum_site.lib.tokens import REVOCATION_BOUND, create_token, find_token, revoke_token
from tests.factories.people import make_person
from tests.factories.programs import make_program
from tests.factories.tokens import make_token

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
SCANNED_FOR = re.compile(r"plum_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}")


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    tokens._cache.clear()


def test_the_secret_is_shown_once_and_kept_nowhere(program: Program, at: datetime) -> None:
    token, secret = make_token(program, "events:write", at=at)
    assert SCANNED_FOR.fullmatch(secret)
    inner = secret.split("_")[2]
    with connection.cursor() as cursor:
        for table in ("plum_apitoken", "plum_auditevent"):
            cursor.execute(f"SELECT * FROM {table}")
            assert inner not in repr(
                [[bytes(cell) if isinstance(cell, memoryview) else cell for cell in row] for row in cursor.fetchall()]
            )
    assert len(bytes(ApiToken.objects.get(pk=token.pk).secret_digest)) == 32


def test_creation_is_audited_without_the_secret(program: Program, at: datetime) -> None:
    person = make_person()
    token, secret = make_token(program, "metrics:read", "catalog:read", at=at, actor=person, name=" BI ")
    row = AuditEvent.objects.get(action="plum.create_token")
    assert (row.program_id, row.actor, row.object_ref) == (program.pk, f"user:{person.pk}", f"plum.ApiToken:{token.pk}")
    assert row.after["scopes"] == ["catalog:read", "metrics:read"]
    assert secret.split("_")[2] not in json.dumps(row.after)
    assert (token.created_by, token.name) == (person, "BI")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["events:write", "everything"]}, "scopes"),
        ({"days": 366}, "expires_at"),
        ({"days": 0}, "expires_at"),
    ],
)
def test_what_a_token_must_be(program: Program, at: datetime, values: dict[str, object], field: str) -> None:
    given = {"name": "till", "scopes": ["events:write"], "days": 365} | values
    with pytest.raises(InvalidInput) as caught:
        create_token(
            program_id=program.pk,
            name=str(given["name"]),
            scopes=given["scopes"],  # type: ignore[arg-type]
            is_sandbox=False,
            expires_at=at + timedelta(days=int(str(given["days"]))),
            actor="system",
            at=at,
        )
    assert list(caught.value.fields) == [field]
    assert not ApiToken.objects.exists()


def test_found_until_it_expires(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at, expires_at=at + timedelta(days=1))
    assert find_token(secret, at) == token
    assert find_token(secret, at + timedelta(days=1, microseconds=-1)) == token
    assert find_token(secret, at + timedelta(days=1)) is None


def test_every_changed_character_is_refused(program: Program, at: datetime) -> None:
    _, secret = make_token(program, at=at)
    for place in range(5, len(secret)):
        changed = secret[:place] + ("a" if secret[place] != "a" else "b") + secret[place + 1 :]
        assert find_token(changed, at) is None, place


def test_the_right_checksum_alone_opens_nothing(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at)
    other = "A" * tokens.SECRET_LENGTH
    assert find_token(f"plum_{token.prefix}_{other}_{tokens.checksum(token.prefix, other)}", at) is None
    unknown = "B" * tokens.PREFIX_LENGTH
    assert find_token(f"plum_{unknown}_{other}_{tokens.checksum(unknown, other)}", at) is None
    for nonsense in ("", "plum_", secret + "x", secret.upper(), "plum_ü_x_y", secret.replace("_", "-")):
        assert find_token(nonsense, at) is None


def test_revoked_here_at_once(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at)
    person = make_person()
    assert find_token(secret, at)
    revoke_token(token_id=token.pk, actor=person, at=at, comment="leaked")
    assert find_token(secret, at) is None
    revoked = ApiToken.objects.get(pk=token.pk)
    assert (revoked.revoked_at, revoked.revoked_by) == (at, person)
    row = AuditEvent.objects.get(action="plum.revoke_token")
    assert (row.actor, row.comment) == (f"user:{person.pk}", "leaked")


def test_revoking_twice_changes_nothing(program: Program, at: datetime) -> None:
    token, _ = make_token(program, at=at)
    person = make_person()
    revoke_token(token_id=token.pk, actor=person, at=at)
    revoke_token(token_id=token.pk, actor=person, at=at + timedelta(days=1))
    assert ApiToken.objects.get(pk=token.pk).revoked_at == at
    assert AuditEvent.objects.filter(action="plum.revoke_token").count() == 1


def test_an_unknown_token_cannot_be_revoked(at: datetime) -> None:
    with pytest.raises(NotFound):
        revoke_token(token_id=404, actor=make_person(), at=at)


def test_revoked_elsewhere_within_the_bound(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at)
    person = make_person()
    assert find_token(secret, at)
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=at, revoked_by=person)  # as another process does it
    assert find_token(secret, at + REVOCATION_BOUND) is None
    assert timedelta(seconds=5) >= REVOCATION_BOUND


def test_read_once_within_the_bound(program: Program, at: datetime) -> None:
    _, secret = make_token(program, at=at)
    find_token(secret, at)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        find_token(secret, at + timedelta(seconds=1))
    assert len(queries) == 0


def test_a_leaver_keeps_no_key(program: Program, at: datetime) -> None:
    person = make_person()
    _, secret = make_token(program, at=at, actor=person)
    assert find_token(secret, at)
    person.is_active = False
    person.save()
    assert find_token(secret, at + REVOCATION_BOUND) is None


def test_use_is_noted_once_a_minute(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at)
    seen = []
    for seconds in (0, 30, 59, 60, 61):
        find_token(secret, at + timedelta(seconds=seconds))
        seen.append(ApiToken.objects.get(pk=token.pk).last_used_at)
    assert seen == [at, at, at, at + timedelta(seconds=60), at + timedelta(seconds=60)]


def test_a_database_that_cannot_write_does_not_stop_reading(program: Program, at: datetime) -> None:
    token, secret = make_token(program, at=at)
    with mock.patch.object(ApiToken.objects, "filter", wraps=ApiToken.objects.filter) as found:
        found.side_effect = lambda *conditions, **names: _fail() if conditions else mock.DEFAULT
        assert find_token(secret, at) == token


def _fail() -> None:
    raise OperationalError("attempt to write a readonly database")


def test_failed_audit_leaves_no_token(program: Program, at: datetime) -> None:
    with mock.patch("plum_site.lib.tokens.audit.record", side_effect=RuntimeError("full")), pytest.raises(RuntimeError):
        make_token(program, at=at)
    assert not ApiToken.objects.exists()


def test_the_cache_stays_small(program: Program, at: datetime) -> None:
    with mock.patch.object(tokens, "CACHE_SIZE", 2):
        for _ in range(5):
            find_token(make_token(program, at=at)[1], at)
            assert len(tokens._cache) <= 2
