"""Log lines: a constant message, with the values as fields.

Call `log.info("phase changed", extra=fields(phase="Waiting"))`; the formatters here print the
fields, as `key=value` for people and as one JSON object a line for machines.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_FIELDS = "autopilot_fields"
_LONGEST = 400
"""Characters of one field that a line for people has room for."""


def fields(**values: Any) -> dict[str, Any]:
    """Wrap fields for the `extra` of a log call."""
    return {_FIELDS: values}


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The fields that a record carries."""
    found = getattr(record, _FIELDS, {})
    return dict(found) if isinstance(found, dict) else {}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `msg`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        line.update(fields_of(record))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, message, then `key=value`; long values only begin."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        parts = [f"{at} {record.levelname:<7} {record.getMessage()}"]
        for key, value in fields_of(record).items():
            text = (
                value
                if isinstance(value, str)
                else json.dumps(value, default=str, ensure_ascii=False)
            )
            if len(text) > _LONGEST:
                text = f"{text[:_LONGEST]}…"
            parts.append(f"{key}={text!r}" if " " in text else f"{key}={text}")
        if record.exc_info:
            parts.append("\n" + self.formatException(record.exc_info))
        return " ".join(parts)


def configure(level: int, *, json_lines: bool = False, stream: TextIO | None = None) -> None:
    """Send all log lines to one stream (default: standard error), replacing earlier handlers."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if json_lines else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
