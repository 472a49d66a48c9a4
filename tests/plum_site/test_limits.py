"""Quotas of tokens: counted without the database, said in headers, refused as a problem that says when to come again."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.models import Event, IngestBatch
from partners.models import Program
from plum_site.lib import limits, tokens
from plum_site.lib.clock import now
from plum_site.lib.models import AuditEvent
from plum_site.lib.problems import Problem
from plum_site.settings import _env
from tests.factories.events import make_event
from tests.factories.ledger import make_stocked_program
from tests.factories.tokens import TokenClient, make_client

pytestmark = pytest.mark.usefixtures("fresh_quotas")


def send(client: TokenClient, body: Any) -> Any:
    return client.post("/api/v1/events", body, content_type="application/json")


class TestCounting:
    def test_a_quota_is_whole_again_after_its_minute(self, settings: Any, clock: Any) -> None:
        settings.RATE_LIMITS = {"requests": 2}
        assert limits.take("requests", "a") == limits.Standing("requests", 2, 1, 60)
        clock.return_value += 20
        assert limits.take("requests", "a") == limits.Standing("requests", 2, 0, 40)
        with pytest.raises(Problem) as refused:
            limits.take("requests", "a")
        assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "40")
        clock.return_value += 40
        assert limits.take("requests", "a") == limits.Standing("requests", 2, 1, 60)

    def test_holders_and_policies_are_counted_apart(self, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 1, "ingest": 1}
        limits.take("requests", "a")
        limits.take("requests", "b")
        limits.take("ingest", "a")
        with pytest.raises(Problem):
            limits.take("requests", "b")

    def test_what_is_too_much_takes_nothing(self, settings: Any) -> None:
        settings.RATE_LIMITS = {"ingest-events": 10}
        with pytest.raises(Problem, match=r"10 events a minute here; 10 are left\. 11 more would be too many"):
            limits.take("ingest-events", "a", 11)
        assert limits.take("ingest-events", "a", 10).left == 0

    def test_no_limit_is_no_header(self, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 0}
        assert limits.take("requests", "a") is None
        assert limits.headers_of([]) == {}

    def test_memory_is_bounded(self, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 5}
        with mock.patch.object(limits, "MOST_HOLDERS", 3):
            for holder in "abcdef":
                limits.take("requests", holder)
        assert list(limits._windows["requests"]) == ["d", "e", "f"]

    def test_threads_lose_no_count(self, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 100_000}
        threads = [threading.Thread(target=lambda: [limits.take("requests", "a") for _ in range(2000)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert limits.take("requests", "a").left == 100_000 - 8 * 2000 - 1

    @pytest.mark.parametrize(("value", "smallest"), [("-1", 1), ("4999", 5000), ("many", 1)])
    def test_a_quota_that_is_none_stops_the_start(self, monkeypatch: pytest.MonkeyPatch, value: str, smallest: int) -> None:
        monkeypatch.setenv("PLUM_TRIAL", value)
        with pytest.raises(ImproperlyConfigured, match="PLUM_TRIAL"):
            _env.quota("PLUM_TRIAL", 5, purpose="a trial", smallest=smallest)

    def test_zero_and_more_are_quotas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert _env.quota("PLUM_TRIAL", 5, purpose="a trial") == 5
        monkeypatch.setenv("PLUM_TRIAL", "0")
        assert _env.quota("PLUM_TRIAL", 5, purpose="a trial", smallest=5000) == 0


@pytest.mark.django_db
@pytest.mark.both_engines
class TestOverHttp:
    @pytest.fixture
    def program(self) -> Program:
        return make_stocked_program()

    def test_every_answer_says_what_is_left(self, program: Program, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 30, "ingest": 20, "ingest-events": 5000}
        client = make_client(program)
        answer = client.get("/api/v1/me/token")
        assert answer["RateLimit-Policy"] == '"requests";q=30;w=60'
        assert re.fullmatch(r'"requests";r=29;t=(60|59)', answer["RateLimit"])
        answer = send(client, [make_event(1), make_event(2, offer="nowhere")])
        assert answer["RateLimit-Policy"] == '"ingest";q=20;w=60, "ingest-events";q=5000;w=60'
        assert re.fullmatch(r'"ingest";r=19;t=\d+, "ingest-events";r=4998;t=\d+', answer["RateLimit"])
        assert re.fullmatch(r'"requests";r=28;t=\d+', client.get("/api/v1/partners/P404")["RateLimit"])

    def test_beyond_the_quota_nothing_is_stored(self, program: Program, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 30, "ingest": 2, "ingest-events": 3}
        client = make_client(program)
        assert send(client, [make_event(1), make_event(2)]).status_code == 200
        over = send(client, [make_event(3), make_event(4)])
        assert (over.status_code, over.json()["violated-policies"]) == (429, ["ingest-events"])
        refused = send(client, make_event(3))
        body = refused.json()
        assert refused.status_code == 429
        assert refused["Content-Type"] == "application/problem+json"
        assert body["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
        assert (body["code"], body["status"], body["violated-policies"]) == ("quota_exceeded", 429, ["ingest"])
        assert 1 <= int(refused["Retry-After"]) <= 60
        assert refused["RateLimit"].startswith('"ingest";r=0;')
        assert (Event.objects.count(), IngestBatch.objects.count()) == (2, 1)
        assert client.get("/api/v1/me/token").status_code == 200
        assert send(make_client(program), make_event(3)).status_code == 200

    def test_a_refused_request_asks_the_database_nothing(self, program: Program, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 1, "ingest": 1, "ingest-events": 5000}
        client = make_client(program)
        for ask in (lambda: client.get("/api/v1/partners"), lambda: send(client, make_event())):
            assert ask().status_code == 200
            with CaptureQueriesContext(connection) as asked:
                assert ask().status_code == 429
            assert not asked.captured_queries

    def test_who_may_not_is_not_counted(self, program: Program, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 1, "ingest": 1, "ingest-events": 5000}
        client = make_client(program, "catalog:read")
        for _ in range(3):
            assert client.get("/api/v1/audit").status_code == 403
        assert client.get("/api/v1/partners").status_code == 200

    def test_refusals_leave_no_audit_rows(self, program: Program, settings: Any) -> None:
        settings.RATE_LIMITS = {"requests": 1, "ingest": 1, "ingest-events": 5000}
        client = make_client(program)
        before = AuditEvent.objects.count()
        assert [client.get("/api/v1/me/token").status_code for _ in range(3)] == [200, 429, 429]
        assert AuditEvent.objects.count() == before


@pytest.mark.django_db
@pytest.mark.both_engines
class TestBadTokens:
    """Whoever tries out tokens learns nothing, costs next to nothing and takes nothing from the others."""

    def bad_tokens(self, client: TokenClient, number: int) -> list[str]:
        """Random ones that are well formed, the right prefix with another secret, wrong check digits, nonsense."""
        good = client.defaults["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        _, prefix, secret, check = good.split("_")
        made = []
        for index in range(number):
            stranger = f"{index:012d}"
            forged = secret[:-5] + f"{index % 100_000:05d}"
            made += [
                f"plum_{stranger}_{secret}_{tokens.checksum(stranger, secret)}",
                f"plum_{prefix}_{forged}_{tokens.checksum(prefix, forged)}",
                f"plum_{stranger}_{secret}_{check[::-1]}",
                f"plum_{index}",
            ]
        return made

    @pytest.fixture(autouse=True)
    def fresh(self) -> Iterator[None]:
        with mock.patch.object(tokens, "_strangers", tokens.Strangers()):
            yield

    def test_ten_thousand_of_them_ask_the_database_little(self, caplog: pytest.LogCaptureFixture) -> None:
        client = make_client(make_stocked_program())
        started = now()
        with CaptureQueriesContext(connection) as asked:
            for number, secret in enumerate(self.bad_tokens(client, 2500)):
                assert tokens.find_token(secret, started + timedelta(milliseconds=number)) is None
        assert len(asked.captured_queries) < tokens.LOOK_UPS + 20
        assert not caplog.messages
        assert tokens.find_token("plum_x", started + timedelta(minutes=2)) is None
        assert caplog.messages == ["10000 requests came with an API token that is not in force"]

    def test_all_get_the_same_401_and_good_ones_work_beside_them(self) -> None:
        program = make_stocked_program()
        client = make_client(program)
        answers = set()
        with mock.patch.object(tokens, "LOOK_UPS", 10):
            for number, secret in enumerate(self.bad_tokens(client, 50)):
                answer = TokenClient(secret).get("/api/v1/partners")
                body = answer.json() | {"instance": ""}
                answers.add((answer.status_code, answer["WWW-Authenticate"], repr(body)))
                if number % 50 == 0:
                    assert client.get("/api/v1/partners").status_code == 200
            assert len(answers) == 1
            assert answers.pop()[0] == 401
            tokens._strangers.listed_at = None  # a second later
            assert make_client(program).get("/api/v1/partners").status_code == 200
