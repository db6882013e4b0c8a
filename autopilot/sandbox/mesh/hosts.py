"""How Istio reads the names of hosts."""

from __future__ import annotations

DOMAIN = "svc.cluster.local"


def qualify(host: str, namespace: str) -> str:
    """The full name that a host stands for in an object of `namespace`.

    Only a name without dots is short. Istio takes `reviews.default` as it stands, which is then
    no service's name.
    """
    if "." in host or "*" in host:
        return host
    return f"{host}.{namespace}.{DOMAIN}"


def service_of(host: str) -> tuple[str, str] | None:
    """Namespace and name of the service whose full name this is; None for any other host."""
    head, separator, rest = host.partition(f".{DOMAIN}")
    name, dot, namespace = head.partition(".")
    if not separator or rest or not dot or "." in namespace or "*" in head:
        return None
    return namespace, name


def covers(pattern: str, host: str) -> bool:
    """Whether `*` or `*.suffix` covers a host; an exact name covers itself."""
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern == host


def names(namespace: str, name: str) -> list[str]:
    """The names by which any namespace's clients may address a service, the full one first."""
    return [f"{name}.{namespace}.{DOMAIN}", f"{name}.{namespace}.svc", f"{name}.{namespace}"]


def plain(text: str) -> str:
    """A name without dots: Envoy cuts a statistic's tags at the first dot."""
    return text.replace(".", "_")
