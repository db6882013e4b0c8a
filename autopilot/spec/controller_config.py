"""The controller's configuration file: an operator's, with what an installation allows besides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import field_validator

from autopilot.spec.operator_config import OperatorConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", re.IGNORECASE)
_ADDRESS = re.compile(r"\[[0-9a-fA-F:]+\](:\d{1,5})?")


class ControllerConfig(OperatorConfig):
    """The configuration of `autopilot controller`.

    Attributes:
        allowed_hosts: Hosts that webhooks and sources of rules may name, each like
            `prometheus.monitoring`, `hooks.example.com:8443` or `*.example.com`; `*` for any. One
            without a port allows every port. The installation's own source needs no entry.
    """

    allowed_hosts: tuple[str, ...] = ()

    def with_environment(self, environ: Mapping[str, str]) -> ControllerConfig:
        """This configuration under environment variables (WATCH_NAMESPACE)."""
        namespace = environ.get("WATCH_NAMESPACE", "")
        return self.model_copy(update={"watch_namespace": namespace}) if namespace else self

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if host != "*" and not _HOST.fullmatch(host) and not _ADDRESS.fullmatch(host):
                raise ValueError(
                    f"{host!r} is no host; HOST or HOST:PORT, without a scheme, like "
                    "hooks.example.com or *.example.com"
                )
        return value
