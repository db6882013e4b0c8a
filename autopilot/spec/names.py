"""How one name is spelled where it turns up: files, Python, Kubernetes."""

from __future__ import annotations

import keyword
import re

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
VERSION = re.compile(r"v[1-9][0-9]*((alpha|beta)[1-9][0-9]*)?")
PLURAL = re.compile(r"[a-z][a-z0-9]{0,62}")
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def snake(name: str) -> str:
    """`RollBack`, `roll-back` and `HTTPRoute` become `roll_back`, `roll_back`, `http_route`."""
    parted = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", re.sub(r"[-.\s]+", "_", name))
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parted).lower()


def python_name(name: str) -> str:
    """The snake_case name, with an underscore behind it where Python keeps the word."""
    spelled = snake(name)
    return f"{spelled}_" if keyword.iskeyword(spelled) else spelled


def plural(kind: str) -> str:
    """The lower-case English plural of a kind, as Kubernetes' own tools form it."""
    word = kind.lower()
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def is_dns_label(name: str) -> bool:
    """Whether it is an RFC 1123 label: what most object names have to be."""
    return DNS_LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """Whether it is an RFC 1123 subdomain: what an API group has to be."""
    return len(name) <= 253 and DNS_SUBDOMAIN.fullmatch(name) is not None


def split_api_version(api_version: str) -> tuple[str, str]:
    """Group and version; the group is empty where there is no slash."""
    group, _, version = api_version.rpartition("/")
    return group, version
