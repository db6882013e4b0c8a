"""What a phase reads: the declared kinds, from caches, and the declared queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast, overload

from autopilot.base.errors import RetryLater
from autopilot.kube.client import ApiError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from autopilot.kube.client import KubeClient
    from autopilot.kube.kinds import ResourceType

Body = Mapping[str, Any]


class InputMissing(RetryLater):
    """A declared input isn't there (yet); the sync is retried."""


class Item(Mapping[str, Any]):
    """A read-only view of one object's body.

    Nested maps come as read-only views too, lists as tuples. `thaw` gives a deep copy to change.
    """

    __slots__ = ("_body",)

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body

    @property
    def name(self) -> str:
        """metadata.name."""
        return cast("str", self.at("metadata.name", ""))

    @property
    def namespace(self) -> str:
        """metadata.namespace; empty for cluster-scoped kinds."""
        return cast("str", self.at("metadata.namespace", ""))

    @property
    def labels(self) -> Mapping[str, str]:
        """metadata.labels."""
        return cast("Mapping[str, str]", self.at("metadata.labels") or Item({}))

    def __getitem__(self, key: str) -> Any:
        """A field, frozen."""
        return _frozen(self._body[key])

    def __iter__(self) -> Iterator[str]:
        """The field names."""
        return iter(self._body)

    def __len__(self) -> int:
        """How many fields."""
        return len(self._body)

    def __repr__(self) -> str:
        """Short: kind and name where there are any."""
        meta = self._body.get("metadata")
        if isinstance(meta, Mapping):
            return (
                f"<{self._body.get('kind', 'object')} {meta.get('namespace')}/{meta.get('name')}>"
            )
        return repr(dict(self._body))

    def at(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path, or the default where any part of it is absent.

        A part that is a number indexes a list: `spec.ports.0.port`. Keys that contain dots
        (annotations) are reached through their map: `item.at("metadata.annotations")["a.b/c"]`.
        """
        value: Any = self._body
        for part in path.split("."):
            if isinstance(value, Mapping):
                if part not in value:
                    return default
                value = value[part]
            elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return default
        return default if value is None else _frozen(value)

    def first(self, path: str, **match: Any) -> Item | None:
        """The first map in the list at a path whose fields equal `match`; None if there is none.

        Example: `deployment.first("status.conditions", type="Available")`.
        """
        for entry in self.at(path) or ():
            if isinstance(entry, Item) and all(entry.get(k) == v for k, v in match.items()):
                return entry
        return None

    def thaw(self) -> dict[str, Any]:
        """A deep copy in plain dicts and lists, to build an output from."""
        return cast("dict[str, Any]", _thawed(self._body))


class Listing:
    """All objects of one declared kind that the phase may see.

    Args:
        kind: The declared plural, for messages.
        namespace: Where `find` and `get` look unless told otherwise: the resource's own.
        items: The bodies.
    """

    def __init__(self, kind: str, namespace: str, items: Sequence[Mapping[str, Any]]) -> None:
        self._kind = kind
        self._namespace = namespace
        self._bodies = tuple(items)

    def __iter__(self) -> Iterator[Item]:
        """The objects, in the order of namespace and name."""
        items = (_item(body) for body in self._bodies)
        return iter(sorted(items, key=lambda item: (item.namespace, item.name)))

    def __len__(self) -> int:
        """How many."""
        return len(self._bodies)

    def __repr__(self) -> str:
        """Short."""
        return f"<{len(self)} {self._kind}>"

    def find(self, name: str, namespace: str | None = None) -> Item | None:
        """The object of that name, or None."""
        where = self._namespace if namespace is None else namespace
        # Without a view of each body: there may be thousands, and a sync looks for several.
        for body in self._bodies:
            meta = body.get("metadata") or {}
            if meta.get("name") == name and (meta.get("namespace") or "") in (where, ""):
                return _item(body)
        return None

    def get(self, name: str, namespace: str | None = None) -> Item:
        """The object of that name.

        Raises:
            InputMissing: It isn't there; the sync is retried.
        """
        found = self.find(name, namespace)
        if found is None:
            where = self._namespace if namespace is None else namespace
            raise InputMissing(f"{self._kind} {where}/{name} isn't there")
        return found

    def names(self, limit: int) -> list[str]:
        """The names of at most this many, sorted: for records."""
        return sorted(_item(body).name for body in self._bodies[:limit])

    def matching(self, selector: Mapping[str, str]) -> Listing:
        """Those whose labels carry all of the selector's pairs."""
        wanted = selector.items()
        return Listing(
            self._kind,
            self._namespace,
            [b for b in self._bodies if all(_item(b).labels.get(k) == v for k, v in wanted)],
        )


class Lookup:
    """The objects of a declared kind by what its declaration looks them up by.

    Args:
        of: The bodies under a key; raises `CacheUnavailable`.
    """

    def __init__(self, of: Callable[[Hashable], Sequence[Mapping[str, Any]]]) -> None:
        self._of = of

    def of(self, key: Hashable) -> tuple[Mapping[str, Any], ...]:
        """The bodies under a key; read-only.

        Raises:
            CacheUnavailable: It can't be told what is there.
        """
        return tuple(self._of(key))


class Unreadable(RetryLater):
    """An object can't be read; whether it is there isn't known."""


class Reader:
    """Reads single objects by GET: where the last word counts, or a kind is known only then.

    Args:
        client: The API.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def get(self, kind: ResourceType, name: str, namespace: str = "") -> Item | None:
        """An object as it stands; None where there is none, or no such kind.

        Raises:
            Unreadable: The API doesn't answer, or doesn't allow it.
        """
        try:
            return Item(await self._client.get(kind, name, namespace or None))
        except NotFound:
            return None
        except ApiError as error:
            where = f"{namespace}/{name}" if namespace else name
            raise Unreadable(f"{kind.kind} {where} can't be read: {error}") from error


class Inputs:
    """The declared inputs of a phase, as attributes.

    Args:
        phase: For messages.
        kinds: Declared kind → a function that makes its listing; called once, when asked for.
        metrics: The reader of declared queries; None where the phase doesn't declare `metrics`.
        reader: Reads single objects; None where the phase doesn't declare that it does.
    """

    def __init__(
        self,
        phase: str,
        kinds: Mapping[str, Callable[[], Listing | Lookup]],
        metrics: object | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._phase = phase
        self._reader = reader
        self._kinds = kinds
        self._made: dict[str, Listing | Lookup] = {}
        self._metrics = metrics

    @property
    def read(self) -> Mapping[str, Listing]:
        """What has been asked for so far, for the record of a sync."""
        return {name: made for name, made in self._made.items() if isinstance(made, Listing)}

    @property
    def metrics(self) -> Any:
        """The queries: `await inputs.metrics.error_rate(...)`."""
        if self._metrics is None:
            raise AttributeError(
                f"phase {self._phase} doesn't declare the input 'metrics'; add it in autopilot.yaml"
            )
        return self._metrics

    @property
    def reader(self) -> Reader:
        """Reads single objects of any kind as they stand: `await inputs.reader.get(...)`."""
        if self._reader is None:
            raise AttributeError(f"phase {self._phase} doesn't declare that it reads objects")
        return self._reader

    def __getattr__(self, kind: str) -> Any:
        """The listing of a declared kind.

        Raises:
            AttributeError: The phase doesn't declare it.
        """
        if kind.startswith("_") or kind not in self._kinds:
            declared = ", ".join(sorted(self._kinds)) or "none"
            raise AttributeError(
                f"phase {self._phase} doesn't declare the input {kind!r} (declared: {declared})"
            )
        if kind not in self._made:
            self._made[kind] = self._kinds[kind]()
        return self._made[kind]


def _item(body: Mapping[str, Any]) -> Item:
    return body if isinstance(body, Item) else Item(body)


@overload
def _frozen(value: Mapping[str, Any]) -> Item: ...
@overload
def _frozen(value: Any) -> Any: ...
def _frozen(value: Any) -> Any:
    if isinstance(value, Item):
        return value
    if isinstance(value, Mapping):
        return Item(value)
    if isinstance(value, list | tuple):
        return tuple(_frozen(entry) for entry in value)
    return value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_thawed(entry) for entry in value]
    return value
