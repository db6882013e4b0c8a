import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from autopilot.base import logs


@pytest.fixture
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def record_with(**values: object) -> logging.LogRecord:
    record = logging.LogRecord("autopilot.x", logging.WARNING, "f", 1, "phase changed", (), None)
    record.__dict__.update(logs.fields(**values))
    return record


def test_a_json_line_is_one_object_with_the_fields_beside_the_message() -> None:
    line = logs.JsonFormatter().format(record_with(phase="Waiting", weight=5, at={"b": "ü\n"}))
    assert "\n" not in line
    told = json.loads(line)
    assert told["msg"] == "phase changed"
    assert told["level"] == "warning"
    assert told["logger"] == "autopilot.x"
    assert (told["phase"], told["weight"], told["at"]) == ("Waiting", 5, {"b": "ü\n"})


def test_a_text_line_shows_fields_as_key_and_value_and_quotes_what_has_spaces() -> None:
    line = logs.TextFormatter().format(record_with(phase="Waiting", why="no data yet", n=3))
    assert line.endswith("WARNING phase changed phase=Waiting why='no data yet' n=3")


def test_a_record_without_fields_has_none() -> None:
    assert logs.fields_of(logging.LogRecord("x", 10, "f", 1, "m", (), None)) == {}


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.TextFormatter()])
def test_an_exception_is_told_with_its_traceback(formatter: logging.Formatter) -> None:
    try:
        raise RuntimeError("the cause")
    except RuntimeError:
        record = logging.LogRecord("x", 40, "f", 1, "failed", (), sys.exc_info())
    assert "RuntimeError: the cause" in formatter.format(record)


def test_a_value_that_is_no_json_is_told_as_text() -> None:
    told = json.loads(logs.JsonFormatter().format(record_with(what={1, 2}.__class__)))
    assert "set" in told["what"]


@pytest.mark.usefixtures("root_as_it_was")
def test_configure_replaces_earlier_handlers_and_heeds_the_level() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(logging.INFO, stream=first)
    logs.configure(logging.WARNING, json_lines=True, stream=second)
    log = logging.getLogger("autopilot.test")
    log.info("not told")
    log.warning("told", extra=logs.fields(a=1))
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["a"] == 1
