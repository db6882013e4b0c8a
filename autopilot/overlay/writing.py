"""Changing marks on an object along with its fields: pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autopilot.kube.marks import OVERLAID, OVERLAID_OWNERS
from autopilot.overlay.errors import TooLarge
from autopilot.overlay.values import ABSENT, at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autopilot.overlay.owners import FieldOwner
    from autopilot.overlay.record import Overlay
    from autopilot.overlay.values import Editor, Path

LARGEST = 64 * 1024
"""Bytes that one annotation of ours may have; all annotations of an object share 256 KiB."""

_ANNOTATIONS: Path = ("metadata", "annotations")
_LABELS: Path = ("metadata", "labels")


def write_overlay(editor: Editor, overlay: Overlay) -> None:
    """Set an overlay's record, and the label.

    Raises:
        TooLarge: The record is.
    """
    _note(editor, overlay.key, overlay.render())
    editor.put((*_LABELS, OVERLAID), "true")


def write_owners(editor: Editor, owners: Iterable[FieldOwner]) -> None:
    """Set the record of displaced owners; none of them takes it away.

    Raises:
        TooLarge: The record is.
    """
    rendered = [owner.render() for owner in owners]
    text = json.dumps(rendered, separators=(",", ":"), ensure_ascii=False) if rendered else None
    if text is None:
        take_note(editor, OVERLAID_OWNERS)
    else:
        _note(editor, OVERLAID_OWNERS, text)


def take_note(editor: Editor, key: str) -> None:
    """Take an annotation away."""
    _take(editor, _ANNOTATIONS, key)


def take_label(editor: Editor) -> None:
    """Take the sweep's label away."""
    _take(editor, _LABELS, OVERLAID)


def _note(editor: Editor, key: str, text: str) -> None:
    if len(text.encode()) > LARGEST:
        raise TooLarge(
            f"the record {key} would have {len(text.encode())} bytes, more than {LARGEST}: "
            "without it the change couldn't be undone"
        )
    editor.put((*_ANNOTATIONS, key), text)


def _take(editor: Editor, where: Path, key: str) -> None:
    editor.put((*where, key), ABSENT) if at(editor.body, where) is not ABSENT else None
    # The API server drops maps without members: one that is empty now was made by us.
    if at(editor.body, where) == {}:
        editor.put(where, ABSENT)
