"""Reading sources' Secrets from a cluster."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Protocol

from autopilot.kube.client import Forbidden, NotFound
from autopilot.kube.kinds import KNOWN
from autopilot.telemetry.access import BadSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autopilot.kube.client import KubeClient


class SecretReader(Protocol):
    """Reads Secrets."""

    async def read(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """A Secret's data, decoded; None where there is none.

        Raises:
            Exception: It can't be read now; what was read before holds.
            BadSource: It mustn't be read.
        """
        ...


class KubeSecrets:
    """The `SecretReader` on a Kubernetes API; needs `get` on Secrets where resources name them.

    Args:
        client: The API.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def read(self, namespace: str, name: str) -> dict[str, str] | None:
        """A Secret's data, decoded; None where there is none.

        Raises:
            ApiError: It can't be read now.
            BadSource: It holds what is no text, or this account may not read it.
        """
        try:
            body = await self._client.get(KNOWN["secrets"], name, namespace)
        except NotFound:
            return None
        except Forbidden:
            raise BadSource("this account may not read the Secret") from None
        try:
            data = body.get("data") or {}
            return {key: base64.b64decode(text or "").decode() for key, text in data.items()}
        except (binascii.Error, ValueError):
            raise BadSource("the Secret holds what is no text") from None
