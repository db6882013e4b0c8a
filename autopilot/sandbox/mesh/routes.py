"""One route of a VirtualService as Envoy's routes.

Sources: Istio's reference of VirtualService for the meaning of each field, Envoy's v3 API for the
spelling. Istio's defaults are its own: two retries on a failure to connect and on 503, no time-out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autopilot.sandbox.mesh import faults
from autopilot.sandbox.mesh.matching import applies, envoy_match
from autopilot.sandbox.mesh.values import Wrong, duration, percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.sandbox.mesh.model import Source

Body = dict[str, Any]

_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3"
        ".PreviousHostsPredicate"
    },
}
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def default_retries() -> Body:
    """What Istio does on every route that doesn't say otherwise."""
    return retry_policy({})


def retry_policy(retries: Body) -> Body:
    """`retries` of a route; fields left out have Istio's defaults."""
    conditions, codes = [], []
    for item in str(retries.get("retryOn") or _RETRY_ON).replace(" ", "").split(","):
        if item.isdigit():
            codes.append(int(item))
        elif item:
            conditions.append(item)
    if not retries.get("retryOn"):
        codes = [503]
    elif codes and "retriable-status-codes" not in conditions:
        conditions.append("retriable-status-codes")
    made: Body = {
        "retry_on": ",".join(conditions),
        "num_retries": int(retries.get("attempts", 2)),
        "host_selection_retry_max_attempts": 5,
    }
    if retries.get("retryIgnorePreviousHosts", True):
        made["retry_host_predicate"] = [_PREVIOUS_HOSTS]
    if codes:
        made["retriable_status_codes"] = codes
    if retries.get("perTryTimeout"):
        made["per_try_timeout"] = duration(retries["perTryTimeout"])
    if retries.get("backoff"):
        made["retry_back_off"] = {"base_interval": duration(retries["backoff"])}
    return made


def problems(route: Body) -> list[str]:
    """Why a route can't be carried out at all; such an object is refused as a whole."""
    found = []
    kinds = [kind for kind in ("route", "redirect", "directResponse") if route.get(kind)]
    if len(kinds) != 1:
        found.append("a route has exactly one of route, redirect and directResponse")
    destinations = route.get("route") or []
    weights = [int(d.get("weight") or 0) for d in destinations]
    if any(weight < 0 for weight in weights):
        found.append(f"a weight is never negative: {weights}")
    elif len(weights) > 1 and sum(weights) <= 0:
        found.append(f"the weights of a route add up to more than 0: {weights}")
    found += ["a destination has a host" for d in destinations if not _host(d)]
    try:
        _action(route, lambda destination: str(destination.get("host", "")))
        for match in route.get("match") or ():
            envoy_match(match)
    except Wrong as error:
        found.append(str(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Our CRDs let none of these through; another server's might.
        found.append(f"a field has the wrong type: {error!r}")
    return found


def translate(route: Body, source: Source, port: int, resolve: Callable[[Body], str]) -> list[Body]:
    """Envoy's routes for one of Istio's: one for each match that this caller can meet.

    Args:
        route: An item of `spec.http`.
        source: The caller.
        port: The service's port that the caller addresses.
        resolve: Gives the cluster of a `destination`.
    """
    matches = route.get("match") or [{}]
    chosen = [match for match in matches if applies(match, source, port)]
    if not chosen:
        return []
    action = _action(route, resolve)
    made = []
    for match in chosen:
        item: Body = {"match": envoy_match(match), **action}
        name = ".".join(n for n in (route.get("name"), match.get("name")) if n)
        if name:
            item["name"] = name
        made.append(item)
    return made


def forward(cluster: str) -> Body:
    """The route of a service that no VirtualService speaks of."""
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": cluster, "timeout": "0s", "retry_policy": default_retries()},
    }


def _host(weighted: Body) -> str:
    return str((weighted.get("destination") or {}).get("host") or "")


def _action(route: Body, resolve: Callable[[Body], str]) -> Body:
    if route.get("redirect"):
        return {"redirect": _redirect(route["redirect"]), **_headers(route.get("headers"))}
    if route.get("directResponse"):
        return {
            "direct_response": _direct(route["directResponse"]),
            **_headers(route.get("headers")),
        }
    made: Body = {"route": _route_action(route, resolve), **_headers(route.get("headers"))}
    authority = _authority(route.get("headers"))
    if authority:
        made["route"]["host_rewrite_literal"] = authority
    return {**made, **faults.per_route(route.get("fault") or {})}


def _route_action(route: Body, resolve: Callable[[Body], str]) -> Body:
    made: Body = {**_clusters(route["route"], resolve), "timeout": "0s"}
    # Istio enables neither time-outs nor retries while a fault is on the route.
    if not route.get("fault"):
        if route.get("timeout"):
            made["timeout"] = duration(route["timeout"])
        retries = route.get("retries") or {}
        if int(retries.get("attempts", 2)) > 0:
            made["retry_policy"] = retry_policy(retries)
    mirrors = _mirrors(route, resolve)
    if mirrors:
        made["request_mirror_policies"] = mirrors
    made.update(_rewrite(route.get("rewrite") or {}))
    return made


def _clusters(destinations: list[Body], resolve: Callable[[Body], str]) -> Body:
    if len(destinations) == 1 and not destinations[0].get("headers"):
        return {"cluster": resolve(destinations[0]["destination"])}
    alone = len(destinations) == 1
    clusters = []
    for item in destinations:
        entry: Body = {
            "name": resolve(item["destination"]),
            "weight": 100 if alone else int(item.get("weight") or 0),
            **_headers(item.get("headers")),
        }
        authority = _authority(item.get("headers"))
        if authority:
            entry["host_rewrite_literal"] = authority
        clusters.append(entry)
    return {"weighted_clusters": {"clusters": clusters}}


def _mirrors(route: Body, resolve: Callable[[Body], str]) -> list[Body]:
    wanted = [(m["destination"], m.get("percentage")) for m in route.get("mirrors") or ()]
    if route.get("mirror"):
        share = route.get("mirrorPercentage")
        old = route.get("mirrorPercent", route.get("mirror_percent"))
        if share is None and old is not None:
            share = {"value": old}
        wanted.append((route["mirror"], share))
    # Left out, a mirror's percentage means all requests; a fault's means none.
    return [
        {
            "cluster": resolve(destination),
            "runtime_fraction": {
                "default_value": percent({"value": 100} if share is None else share)
            },
        }
        for destination, share in wanted
    ]


def _rewrite(rewrite: Body) -> Body:
    made: Body = {}
    if rewrite.get("uri"):
        made["prefix_rewrite"] = rewrite["uri"]
    pattern = rewrite.get("uriRegexRewrite")
    if pattern:
        made["regex_rewrite"] = {
            "pattern": {"regex": pattern["match"]},
            "substitution": pattern.get("rewrite", ""),
        }
    if rewrite.get("authority"):
        made["host_rewrite_literal"] = rewrite["authority"]
    return made


def _redirect(redirect: Body) -> Body:
    code = int(redirect.get("redirectCode") or 301)
    if code not in _REDIRECTS:
        raise Wrong(f"redirectCode is one of {sorted(_REDIRECTS)}, not {code}")
    made: Body = {"response_code": _REDIRECTS[code]}
    uri = redirect.get("uri", "")
    if uri.startswith("%PREFIX()%"):
        made["prefix_rewrite"] = uri.removeprefix("%PREFIX()%")
    elif uri:
        made["path_redirect"] = uri
    fields = {"authority": "host_redirect", "port": "port_redirect", "scheme": "scheme_redirect"}
    made.update({new: redirect[old] for old, new in fields.items() if redirect.get(old)})
    return made


def _direct(direct: Body) -> Body:
    made: Body = {"status": int(direct["status"])}
    body = direct.get("body") or {}
    if "string" in body:
        made["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        made["body"] = {"inline_bytes": body["bytes"]}
    return made


def _headers(headers: Body | None) -> Body:
    """Header operations; Envoy refuses a change of the host among them (see `_authority`)."""
    made: Body = {}
    for side in ("request", "response"):
        operations = (headers or {}).get(side) or {}
        added = [
            {"header": {"key": key, "value": value}, "append_action": how}
            for field, how in (
                ("set", "OVERWRITE_IF_EXISTS_OR_ADD"),
                ("add", "APPEND_IF_EXISTS_OR_ADD"),
            )
            for key, value in (operations.get(field) or {}).items()
            if not (side == "request" and _is_host(key))
        ]
        if added:
            made[f"{side}_headers_to_add"] = added
        if operations.get("remove"):
            made[f"{side}_headers_to_remove"] = list(operations["remove"])
    return made


def _authority(headers: Body | None) -> str:
    operations = ((headers or {}).get("request") or {}).get("set") or {}
    return next((str(value) for key, value in operations.items() if _is_host(key)), "")


def _is_host(key: str) -> bool:
    return key.lower() in {"host", ":authority"}
