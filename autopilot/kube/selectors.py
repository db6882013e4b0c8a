"""Label and field selectors, judged on this side.

A cache needs this for the answers to its own writes: the server's selection only covers what comes
through the watch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autopilot.kube.client import Body

    Test = Callable[[Mapping[str, Any]], bool]

_KEY = r"[A-Za-z0-9._/-]+"
_TERMS = (
    (re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$"), "set"),
    (re.compile(rf"^({_KEY})\s*(==|=|!=)\s*([^\s=!,()]*)$"), "equals"),
    (re.compile(rf"^(!?)\s*({_KEY})$"), "exists"),
)


def labels_match(selector: str) -> Test:
    """A test on a mapping of labels, for `a=b,c!=d,e in (f,g),h notin (i),j,!k`; empty takes all.

    Raises:
        ValueError: The selector can't be read.
    """
    tests = [_label_term(term) for term in _split(selector)]
    return lambda labels: all(test(labels) for test in tests)


def fields_match(selector: str) -> Test:
    """A test on a body, for `metadata.name=a,status.phase!=Running`; empty takes all.

    Raises:
        ValueError: The selector can't be read.
    """
    tests = [_field_term(term) for term in _split(selector)]
    return lambda body: all(test(body) for test in tests)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a kind.

    Attributes:
        namespace: None for all.
        labels: A label selector; empty for all.
        fields: A field selector; empty for all.
    """

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    def test(self) -> Callable[[Body], bool]:
        """The same selection, judged on this side.

        Raises:
            ValueError: A selector can't be read.
        """
        labels, fields = labels_match(self.labels), fields_match(self.fields)

        def matches(body: Body) -> bool:
            meta = body["metadata"]
            return (
                (not self.namespace or meta.get("namespace") == self.namespace)
                and labels(meta.get("labels") or {})
                and fields(body)
            )

        return matches


def _split(selector: str) -> list[str]:
    parts = re.split(r",(?![^(]*\))", selector)
    return [part.strip() for part in parts if part.strip()]


def _label_term(term: str) -> Test:
    for pattern, form in _TERMS:
        found = pattern.match(term)
        if not found:
            continue
        if form == "exists":
            absent, name = bool(found[1]), found[2]
            return lambda labels: (name in labels) != absent
        key, operator = found[1], found[2]
        values = {part.strip() for part in found[3].split(",")} if form == "set" else {found[3]}
        if operator in {"in", "=", "=="}:
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    raise ValueError(f"{term!r} is no label selector")


def _field_term(term: str) -> Test:
    found = re.match(r"^([A-Za-z0-9.]+)\s*(==|=|!=)\s*(.*)$", term)
    if not found:
        raise ValueError(f"{term!r} is no field selector")
    path, wanted, equal = found[1].split("."), found[3], found[2] != "!="
    return lambda body: (_text_at(body, path) == wanted) == equal


def _text_at(body: Any, path: list[str]) -> str:
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    if isinstance(body, bool):
        return str(body).lower()
    return "" if body is None else str(body)
