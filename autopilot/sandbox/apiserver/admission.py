"""From what a client sent to what may be stored: prune, default, validate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autopilot.sandbox.apiserver import defaults, errors, metadata, rules

if TYPE_CHECKING:
    from autopilot.sandbox.apiserver.core import WriteOptions
    from autopilot.sandbox.apiserver.encoding import Body
    from autopilot.sandbox.apiserver.kinds import Kind


def pruned(kind: Kind, body: Body, options: WriteOptions) -> Body:
    """A custom resource without the fields that its schema doesn't know.

    Raises:
        ApiError: 400 under strict validation, naming each unknown field.
    """
    if kind.structural is None:
        return body
    kept = kind.structural.prune(body)
    if options.validation == "Ignore" or kept is body:
        return kept
    unknown = [f'unknown field "{path}"' for path in kind.structural.unknown_fields(body)]
    if options.validation == "Strict" and unknown:
        raise errors.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"strict decoding error: {', '.join(unknown)}"
        )
    options.warnings.extend(unknown)
    return kept


def shaped(kind: Kind, body: Body, before: Body | None, options: WriteOptions) -> Body:
    """A body ready to be stored.

    Raises:
        ApiError: 422 with every cause, or 400 for unknown fields.
    """
    body = pruned(kind, body, options)
    if kind.structural is not None:
        body = kind.structural.default(body)
    elif not kind.custom:
        body = defaults.fill(kind, body, before)
    causes = metadata.faults(kind, body["metadata"])
    if kind.structural is not None:
        causes += kind.structural.validate(body)
    elif not kind.custom:
        causes += rules.faults(kind, body, before)
    if causes:
        raise errors.invalid(kind, body["metadata"].get("name", ""), causes)
    return body
