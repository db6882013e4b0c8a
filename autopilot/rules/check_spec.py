"""Checks of what stands by itself: times, addresses, namespaces."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autopilot.base import durations

if TYPE_CHECKING:
    from autopilot.rules.compile_findings import Findings
    from autopilot.rules.model import RuleSpec
    from autopilot.spec.positions import Path

SHORTEST, LONGEST = timedelta(milliseconds=100), timedelta(hours=1)


def check_spec(spec: RuleSpec, namespace: str, findings: Findings) -> None:
    """Check a rule's spec, short or long, before anything is made of it."""
    if not SHORTEST <= spec.interval <= LONGEST:
        said = f"{durations.render(spec.interval)} is outside 100ms to 1h"
        findings.wrong(("spec", "interval"), said, "5s suits most")
    target = spec.target
    if target.namespace and target.namespace != namespace:
        findings.note(
            ("spec", "target", "namespace"),
            f"{target.namespace} isn't the rule's own namespace",
            f"Namespace {target.namespace} must allow it: "
            f"annotation autopilot.mesh/allow-from: {namespace}",
        )
    _source(spec, findings)
    for index, phase in enumerate(spec.phases):
        for number, action in enumerate(phase.actions):
            if action.notify and action.notify.url:
                path: Path = ("spec", "phases", index, "actions", number, "notify", "url")
                check_url(action.notify.url, path, findings)
    rails = spec.guardrails
    if rails.max_step is not None and not rails.max_step:
        hint = "mode: observe writes nothing"
        findings.wrong(("spec", "guardrails", "maxStep"), "of 0% moves nothing ever", hint)
    if rails.max_transitions and not rails.max_transitions.per:
        findings.wrong(
            ("spec", "guardrails", "maxTransitions", "per"), "is no time", "write it like 1h"
        )


def check_url(url: str, path: Path, findings: Findings) -> None:
    """An address that something is sent to: http or https, a host, no credentials."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        findings.wrong(path, f"is no address: {error}", "write it like https://host/path")
        return
    if parts.scheme not in {"http", "https"}:
        said = f"{parts.scheme}:// isn't spoken" if parts.scheme else "has no scheme"
        findings.wrong(path, said, "write it like https://host/path")
    elif not host or any(char.isspace() for char in url):
        findings.wrong(path, "names no host", "write it like https://host/path")
    elif parts.username is not None or parts.password is not None:
        findings.wrong(path, "holds a credential that all can read", "put it in a Secret: secret:")


def _source(spec: RuleSpec, findings: Findings) -> None:
    source = spec.source
    if source is None:
        return
    if (source.url is None) == (source.secret is None):
        which = "has url and secret" if source.url else "doesn't say where"
        hint = "a credential goes only to the url in its own Secret" if source.url else ""
        findings.wrong(("spec", "source"), which, hint or "exactly one of url, secret")
    elif source.url is not None:
        check_url(source.url, ("spec", "source", "url"), findings)
    if source.tenant and source.secret:
        hint = "the Secret has its own"
        findings.wrong(("spec", "source", "tenant"), "stands beside secret", hint)
