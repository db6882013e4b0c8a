"""A report as a file: a page, Markdown, or data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from autopilot.operators.chaos.report_html import html
from autopilot.operators.chaos.report_markdown import markdown

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.operators.chaos.report_model import RunRecord

Form = Literal["html", "markdown", "json"]

FORMS: dict[str, Form] = {".html": "html", ".md": "markdown", ".json": "json"}
"""By the ending of a file's name."""


def export(record: RunRecord, form: Form) -> str:
    """The report as text of a form."""
    if form == "html":
        return html(record)
    if form == "markdown":
        return markdown(record)
    return json.dumps(record.to_body(), indent=2, ensure_ascii=False)


def write(record: RunRecord, path: Path) -> None:
    """Write a report; the path's ending says as what, a page where it says nothing.

    Raises:
        OSError: The file can't be written.
    """
    path.write_text(export(record, FORMS.get(path.suffix, "html")), encoding="utf-8")
