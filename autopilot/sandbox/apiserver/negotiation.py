"""Media types: what a client sends, what it wants to get."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from autopilot.sandbox.apiserver import errors
from autopilot.sandbox.apiserver.encoding import loads

BODY_LIMIT = 3 << 20
PROTOBUF = "application/vnd.kubernetes.protobuf"
_SPOKEN = "application/json, application/yaml"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A form of answer: `shape` is "", "Table" or "PartialObjectMetadata"; `discovery` asks for the
    aggregated lists of API groups.
    """

    shape: str = ""
    yaml: bool = False
    discovery: bool = False


@lru_cache(maxsize=256)
def accepted(header: str) -> Accepted:
    """The first form in an Accept header that is spoken here.

    Raises:
        ApiError: 406 if there is none.
    """
    if not header:
        return Accepted()
    for item in header.split(","):
        media, *rest = (part.strip() for part in item.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        shape = parameters.get("as", "")
        if media not in ("application/json", "application/yaml", "application/*", "*/*"):
            continue
        if shape == "APIGroupDiscoveryList":
            if parameters.get("v") == "v2":
                return Accepted(discovery=True)
            continue
        if shape.removesuffix("List") not in ("", "Table", "PartialObjectMetadata"):
            continue
        if shape and parameters.get("v") != "v1":
            continue
        return Accepted(shape.removesuffix("List"), yaml=media == "application/yaml")
    raise errors.ApiError(
        406, "NotAcceptable", f"only the following media types are accepted: {_SPOKEN}"
    )


def media_type(header: str) -> str:
    """A Content-Type without its parameters."""
    return header.partition(";")[0].strip().lower()


def decode(content_type: str, data: bytes, *, patch: bool = False) -> Any:
    """The body of a write; only a `patch` may have a `+json` or `+yaml` type.

    Raises:
        ApiError: 415 for a format that isn't spoken, 400 for one that can't be read.
    """
    media = media_type(content_type)
    if media == PROTOBUF:
        raise errors.unsupported_media(
            "this server doesn't read protobuf bodies, which kubectl create sends since 1.32; send "
            "JSON or YAML instead, for instance with: kubectl apply -f FILE"
        )
    if media in ("", "application/json") or (patch and media.endswith("+json")):
        return _json(data)
    if media == "application/yaml" or (patch and media.endswith("+yaml")):
        return _yaml(data)
    raise errors.unsupported_media(
        "the body of the request was in an unknown format - accepted media types include: "
        f"{_SPOKEN}"
    )


def _json(data: bytes) -> Any:
    try:
        return loads(data)
    except ValueError as error:
        raise errors.bad_request(f"the body isn't JSON: {error}") from None


def _yaml(data: bytes) -> Any:
    # Most YAML that clients send, server-side applies above all, is in fact JSON.
    try:
        return loads(data)
    except ValueError:
        pass
    import yaml

    try:
        return yaml.load(data, Loader=_loader())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"the body isn't YAML: {error}") from None


@lru_cache(maxsize=1)
def _loader() -> Any:
    """A YAML loader with JSON's types: a time stamp stays the text it is."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {})
    loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return loader
