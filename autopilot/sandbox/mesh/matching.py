"""Istio's HTTP match conditions as Envoy's route matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh.values import string_match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autopilot.sandbox.mesh.model import Source

Body = dict[str, Any]

MESH = "mesh"
_PSEUDO = {"method": ":method", "authority": ":authority", "scheme": ":scheme"}


def bound_here(gateways: Iterable[str], source: Source) -> bool:
    """Whether a list of gateways takes in this caller; an empty list is the mesh."""
    named = list(gateways) or [MESH]
    return MESH in named or (source.ingress and any(name != MESH for name in named))


def applies(match: Body, source: Source, port: int) -> bool:
    """The conditions that are settled by who calls, and on which port."""
    if match.get("gateways") and not bound_here(match["gateways"], source):
        return False
    if "port" in match and int(match["port"]) != port:
        return False
    namespace = match.get("sourceNamespace")
    if namespace and namespace != source.workload.namespace:
        return False
    labels: Mapping[str, str] = match.get("sourceLabels") or {}
    return all(source.labels.get(key) == value for key, value in labels.items())


def tells_callers_apart(body: Body) -> bool:
    """Whether a VirtualService has a condition on who calls."""
    matches = [m for r in body["spec"].get("http") or () for m in r.get("match") or ()]
    return any(
        match.get(field)
        for match in matches
        for field in ("gateways", "sourceNamespace", "sourceLabels")
    )


def envoy_match(match: Body) -> Body:
    """The conditions that each request must meet."""
    made = _path(match.get("uri") or {})
    if match.get("ignoreUriCase"):
        made["case_sensitive"] = False
    headers = [
        _header(name, match[key])
        for key, name in _PSEUDO.items()
        if match.get(key) and string_match(match[key])
    ]
    headers += [_header(name, value or {}) for name, value in (match.get("headers") or {}).items()]
    for name, value in (match.get("withoutHeaders") or {}).items():
        headers.append(_without(name, value or {}))
    if headers:
        made["headers"] = headers
    parameters = [
        {"name": name, "string_match": wanted}
        if (wanted := string_match(value or {}))
        else {"name": name, "present_match": True}
        for name, value in (match.get("queryParams") or {}).items()
    ]
    if parameters:
        made["query_parameters"] = parameters
    return made


def catches_all(match: Body) -> bool:
    """Whether an Envoy match leaves nothing for the routes after it."""
    return match == {"prefix": "/"}


def _path(uri: Body) -> Body:
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix", "/")}


def _header(name: str, value: Body) -> Body:
    wanted = string_match(value)
    if wanted is None:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": wanted}


def _without(name: str, value: Body) -> Body:
    made = _header(name, value) | {"invert_match": True}
    if "string_match" in made:
        # A request without the header has, all the more, not that value of it.
        made["treat_missing_header_as_empty"] = True
    return made
