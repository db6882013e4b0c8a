"""Where the API is and who we are there: kubeconfig, exec plugins, service account.

The reading is the `kubernetes` package's; it is imported late, because it takes 0.2 s and 20 MB.
Its own saving of the kubeconfig stays off: a client has no business writing a user's file.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from autopilot.base.errors import InvalidInput, Problem

if TYPE_CHECKING:
    import ssl

LOGIN_TIMEOUT = 30.0
"""Seconds that an exec plugin may take."""

IN_CLUSTER = "in-cluster"


def kubeconfig_path(explicit: str | None) -> str | None:
    """The kubeconfig to read: the explicit one, $KUBECONFIG, ~/.kube/config; None if there is none.

    Raises:
        InvalidInput: One was named, and no such file exists.
    """
    named = explicit or os.environ.get("KUBECONFIG", "")
    if named:
        if not any(Path(part).expanduser().is_file() for part in named.split(os.pathsep) if part):
            hint = "give a kubeconfig that exists, or unset KUBECONFIG"
            raise InvalidInput([Problem(named, 0, "", "there is no such kubeconfig", hint)])
        return named
    default = Path.home() / ".kube" / "config"
    return str(default) if default.is_file() else None


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def shown(url: str) -> str:
    """An API's address as people may see it, in a log or a message.

    Over plain HTTP to this machine the path is what lets one in, as it is for a sandbox: kubectl
    sends no token there. It is left out, and so are a name and a password in any address.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    where = parts.netloc.rpartition("@")[2]
    hidden = parts.scheme == "http" and is_loopback(url)
    return f"{parts.scheme}://{where}{'' if hidden else parts.path}"


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL; never one for a loopback address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(url) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


@dataclass(frozen=True, slots=True)
class Connection:
    """What another HTTP client needs to talk to the same API as the same account.

    Attributes:
        server: The URL.
        headers: That authenticate a request, for as long as they are valid.
        ssl: As aiohttp takes it.
        proxy: Or None.
        server_hostname: The name that the certificate is checked for, where it isn't the URL's.
    """

    server: str
    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    proxy: str | None
    server_hostname: str | None


class Login:
    """An API's address and the account's current credentials.

    Args:
        kubeconfig: A path (or several, separated as in $KUBECONFIG); None searches as kubectl does,
            then falls back to the pod's service account.
        context: The kubeconfig's context; None takes its current one.
    """

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        self._path = kubeconfig_path(kubeconfig)
        self._wanted = context
        self._lock = asyncio.Lock()
        self._configuration: Any = None
        self.generation = 0
        self.server = ""
        self.context = ""
        self.proxy: str | None = None
        self.server_hostname: str | None = None
        self.ssl: ssl.SSLContext | bool = True

    async def load(self) -> None:
        """Read address and credentials anew; runs the exec plugin if there is one.

        Raises:
            InvalidInput: The kubeconfig is missing or can't be used.
        """
        from kubernetes.aio.client.configuration import Configuration
        from kubernetes.aio.config import ConfigException

        configuration = Configuration()
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT):
                context = await self._read(configuration)
        except ConfigException as error:
            missing = self._wanted and f"name {self._wanted} in " in str(error)
            said = f"there is no context {self._wanted!r}" if missing else str(error)
            raise self._bad(said) from error
        except TimeoutError as error:
            raise self._bad(f"its exec plugin took longer than {LOGIN_TIMEOUT:g} s") from error
        self._configuration = configuration
        self.context = context
        self.server = str(configuration.host).rstrip("/")
        self.proxy = configuration.proxy or proxy_for(self.server)
        self.server_hostname = configuration.tls_server_name
        self.ssl = _ssl_context(configuration) if self.server.startswith("https") else True
        self.generation += 1

    async def renew(self, generation: int) -> None:
        """Load again, unless somebody has since `generation`: many 401s at once cost one reload."""
        async with self._lock:
            if self.generation == generation:
                await self.load()

    async def headers(self) -> dict[str, str]:
        """The headers that authenticate a request."""
        settings = await self._configuration.auth_settings()
        found = {auth["key"]: auth["value"] for auth in settings.values() if auth["value"]}
        return {str(key).title(): str(value) for key, value in found.items()}

    async def connection(self, *, renew: bool = False) -> Connection:
        """What another client needs; `renew` when what was given out last was refused."""
        if renew:
            await self.renew(self.generation)
        headers = await self.headers()
        return Connection(self.server, headers, self.ssl, self.proxy, self.server_hostname)

    async def _read(self, configuration: Any) -> str:
        import yaml
        from kubernetes.aio.config import load_incluster_config, load_kube_config

        if self._path is None:
            if not os.environ.get("KUBERNETES_SERVICE_HOST"):
                hint = "give --kubeconfig, set KUBECONFIG, or start `autopilot sandbox up`"
                message = "there is no kubeconfig, and this is no pod"
                raise InvalidInput([Problem("~/.kube/config", 0, "", message, hint)])
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return IN_CLUSTER
        try:
            loader = await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self._path,
                context=self._wanted,
                client_configuration=configuration,
                persist_config=False,
            )
            return str(loader.current_context["name"])
        except (TypeError, KeyError, AttributeError, ValueError, OSError) as error:
            raise self._bad(f"it can't be read: {error}") from error
        except yaml.YAMLError as error:
            raise self._bad(f"it is no YAML: {error}") from error

    def _bad(self, message: str) -> InvalidInput:
        hint = "see `kubectl config get-contexts`" if self._path else ""
        return InvalidInput([Problem(self._path or IN_CLUSTER, 0, "", message, hint)])


def _ssl_context(configuration: Any) -> ssl.SSLContext:
    from kubernetes.aio.client.rest import RESTClientObject

    context: ssl.SSLContext = RESTClientObject(configuration).ssl_context
    return context
