"""Idempotency-Key: the same POST again is the same answer and no second change, also side by side and after a crash."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from partners.models import Partner, Program
from plum_site.lib import kept_answers
from plum_site.lib.errors import InvalidInput
from plum_site.lib.kept_answers import KEPT_FOR, UNDER_WAY_AT_MOST, Answer, Claim, StillUnderWay
from plum_site.lib.models import ApiToken, KeptAnswer
from tests.factories.partners import make_partner
from tests.factories.programs import make_program
from tests.factories.tokens import TokenClient, make_client, make_token

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
BODY = {"external_id": "P-7", "name": "Northwind"}


@pytest.fixture
def program() -> Program:
    return make_program()


@pytest.fixture
def client(program: Program) -> TokenClient:
    return make_client(program, "catalog:read", "catalog:write")


@pytest.fixture
def token(program: Program) -> ApiToken:
    return make_token(program)[0]


def post(client: TokenClient, key: str | None, body: Any = BODY, path: str = "partners") -> Any:
    """One POST with a key."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)


class TestOverHttp:
    def test_the_same_again_is_answered_alike_and_done_once(self, client: TokenClient) -> None:
        first, again = post(client, '"k-1"'), post(client, "k-1", dict(reversed(BODY.items())))
        assert (first.status_code, again.status_code) == (201, 201)
        assert "Idempotent-Replayed" not in first
        assert again["Idempotent-Replayed"] == "true"
        assert (again.json(), again["ETag"], again["Location"]) == (first.json(), first["ETag"], first["Location"])
        assert Partner.objects.count() == 1

    def test_it_is_the_answer_of_then(self, client: TokenClient) -> None:
        post(client, "k-1")
        client.patch("/api/v1/partners/P-7", json.dumps({"name": "Later"}), content_type="application/json")
        assert post(client, "k-1").json()["name"] == "Northwind"

    @pytest.mark.parametrize(("body", "path"), [(BODY | {"name": "Other"}, "partners"), (BODY, "partners/P-7/transitions")])
    def test_a_key_stands_for_one_request(self, client: TokenClient, body: Any, path: str) -> None:
        post(client, "k-1")
        answer = post(client, "k-1", {"name": "onboard"} if "transitions" in path else body, path)
        assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
        assert Partner.objects.get().name == "Northwind"
        assert Partner.objects.get().state == "prospect"

    def test_another_token_has_keys_of_its_own(self, client: TokenClient, program: Program) -> None:
        post(client, "k-1")
        assert post(make_client(program, "catalog:write"), "k-1").status_code == 409  # exists already: it was really tried

    def test_a_refusal_is_not_kept(self, client: TokenClient, program: Program) -> None:
        make_partner(program, "P-7")
        assert post(client, "k-1").status_code == 409
        assert not KeptAnswer.objects.exists()
        assert post(client, "k-1", BODY | {"external_id": "P-8"}).status_code == 201

    def test_what_broke_is_not_kept_either(self, client: TokenClient) -> None:
        with mock.patch("partners.api.views.save_partner", side_effect=ZeroDivisionError):
            assert post(client, "k-1").status_code == 500
        assert post(client, "k-1").status_code == 201

    def test_no_change_without_its_answer(self, client: TokenClient) -> None:
        """Somebody else took the key over meanwhile: what this request did is rolled back."""
        with mock.patch("plum_site.lib.api_writes.kept_answers.keep", side_effect=StillUnderWay):
            answer = post(client, "k-1")
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "request_under_way", "2")
        assert not Partner.objects.exists()

    @pytest.mark.parametrize("key", ["", " ", '""', "a b", 'a"b', "x" * 256, "ü"])
    def test_a_key_that_is_none(self, client: TokenClient, key: str) -> None:
        answer = post(client, key)
        assert (answer.status_code, answer.json()["errors"][0]["header"]) == (400, "Idempotency-Key")
        assert not Partner.objects.exists()

    def test_without_a_key_nothing_is_kept(self, client: TokenClient) -> None:
        assert post(client, None).status_code == 201
        assert not KeptAnswer.objects.exists()


class TestClaims:
    def test_one_under_way_is_told_so(self, token: ApiToken, at: datetime) -> None:
        kept_answers.claim(token=token, key="k", fingerprint="f", at=at)
        with pytest.raises(StillUnderWay):
            kept_answers.claim(token=token, key="k", fingerprint="f", at=at + UNDER_WAY_AT_MOST - timedelta(seconds=1))
        with pytest.raises(InvalidInput):
            kept_answers.claim(token=token, key="k", fingerprint="other", at=at)

    def test_one_that_died_is_taken_over_and_cannot_finish(self, token: ApiToken, at: datetime) -> None:
        dead = kept_answers.claim(token=token, key="k", fingerprint="f", at=at)
        heir = kept_answers.claim(token=token, key="k", fingerprint="f", at=at + UNDER_WAY_AT_MOST)
        assert isinstance(dead, Claim)
        assert isinstance(heir, Claim)
        answer = Answer(201, {"ETag": '"e"'}, "{}")
        with pytest.raises(StillUnderWay):
            kept_answers.keep(claimed=dead, answer=answer)
        kept_answers.release(claimed=dead)
        kept_answers.keep(claimed=heir, answer=answer)
        assert kept_answers.claim(token=token, key="k", fingerprint="f", at=at + UNDER_WAY_AT_MOST * 2) == answer

    def test_of_two_heirs_one_inherits(self, token: ApiToken, at: datetime) -> None:
        kept_answers.claim(token=token, key="k", fingerprint="f", at=at)
        row = KeptAnswer.objects.get()
        kept_answers.take_over(row, "f", at)
        with pytest.raises(StillUnderWay):
            kept_answers.take_over(row, "f", at)

    def test_after_a_day_a_key_is_new(self, token: ApiToken, at: datetime) -> None:
        claimed = kept_answers.claim(token=token, key="k", fingerprint="f", at=at)
        assert isinstance(claimed, Claim)
        kept_answers.keep(claimed=claimed, answer=Answer(201, {}, "{}"))
        assert isinstance(kept_answers.claim(token=token, key="k", fingerprint="other", at=at + KEPT_FOR), Claim)

    def test_old_ones_go(self, token: ApiToken, at: datetime) -> None:
        kept_answers.claim(token=token, key="old", fingerprint="f", at=at)
        kept_answers.claim(token=token, key="new", fingerprint="f", at=at + timedelta(hours=1))
        with mock.patch.object(kept_answers, "PRUNED_AT_ONCE", 1):
            assert kept_answers.prune(at=at + KEPT_FOR) == 1
        assert KeptAnswer.objects.count() == 1

    def test_what_clients_chose_is_not_readable(self, token: ApiToken, at: datetime) -> None:
        kept_answers.claim(token=token, key="ann@example.org", fingerprint="f", at=at)
        assert "ann" not in repr(list(KeptAnswer.objects.values()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_the_same_request_sent_many_times_at_once_is_done_once(program: Program) -> None:
    secret = make_token(program, "catalog:write")[1]
    start, answers = threading.Barrier(4), []

    def knock() -> None:
        start.wait()
        try:
            answers.append(post(TokenClient(secret), "k-1"))
        finally:
            connection.close()

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum("Idempotent-Replayed" not in answer for answer in made) == 1
    assert all(answer.json()["code"] == "request_under_way" for answer in answers if answer.status_code == 409)
    assert Partner.objects.count() == 1
    assert post(TokenClient(secret), "k-1")["Idempotent-Replayed"] == "true"
