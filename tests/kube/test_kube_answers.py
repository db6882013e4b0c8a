from datetime import UTC, datetime

import pytest

from autopilot.kube.answers import error_of, read_json, retry_after
from autopilot.kube.client import (
    AlreadyExists,
    ApiError,
    Conflict,
    FieldConflict,
    Invalid,
    Unavailable,
)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("-3", 0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_the_three_kinds_of_409_are_told_apart() -> None:
    cause = {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": "x"}
    cases = [
        ({"reason": "AlreadyExists"}, AlreadyExists),
        ({"reason": "Conflict"}, Conflict),
        ({"reason": "Conflict", "details": {"causes": [cause]}}, FieldConflict),
    ]
    for body, kind in cases:
        assert type(error_of(409, body, what="PATCH /x")) is kind


@pytest.mark.parametrize("body", [None, [], "text", {"details": "no"}, {"details": {"causes": 3}}])
def test_an_answer_that_is_no_status_still_says_what_was_asked(body: object) -> None:
    error = error_of(502, body, what="GET /api/v1/pods")
    assert isinstance(error, Unavailable)
    assert "GET /api/v1/pods" in str(error)
    assert "502" in str(error)


def test_the_body_may_say_how_long_to_wait_and_the_header_has_precedence() -> None:
    body = {"details": {"retryAfterSeconds": 3}, "message": "busy"}
    assert error_of(429, body, what="x").retry_after == 3
    assert error_of(429, body, what="x", after="9").retry_after == 9


def test_other_refusals_are_plain_and_not_worth_retrying() -> None:
    error = error_of(405, {"message": "no"}, what="x")
    assert type(error) is ApiError
    assert not error.transient
    assert type(error_of(422, {}, what="x")) is Invalid


def test_what_is_no_json_reads_as_none() -> None:
    assert read_json(b"<html>") is None
    assert read_json(b"\xff") is None
    assert read_json(b"{}") == {}
