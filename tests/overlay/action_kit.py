"""Overlaid actions on VirtualServices, by several resources, without a server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from overlay_kit import NOW, RULES, VIRTUAL_SERVICES, Object, abort, virtual_service, weights

from autopilot.mesh.actions import Fault, Mirror, Retry, Shed, Shift, Timeout, Where
from autopilot.mesh.istio.provider import Istio
from autopilot.mesh.provider import Owner, Snapshot
from autopilot.mesh.steps import PutOverlay, TakeBack
from autopilot.overlay.undo import undo
from autopilot.overlay.values import clone

if TYPE_CHECKING:
    from collections.abc import Callable

    from autopilot.kube.client import Body
    from autopilot.mesh.actions import Overlaid
    from autopilot.mesh.steps import Plan
    from autopilot.overlay.record import Overlay

HOLDERS = ("one", "two")
SERVICES = ("web", "standby", "api")

shares = st.integers(0, 100)
conditions = st.sampled_from(
    [
        None,
        [{"uri": {"prefix": "/a"}}],
        [{"headers": {"x": {"exact": "b"}}}, {"uri": {"exact": "/c"}}],
        [{"sourceLabels": {"app": "cart"}}],
        None,
    ]
)
split = [{"destination": {"host": "web"}, "weight": 60}]
split += [{"destination": {"host": "api"}, "weight": 40}]
leads = st.sampled_from(
    [
        weights(web=100),
        [{"destination": {"host": "web.shop.svc.cluster.local", "subset": "v1"}}],
        [{"destination": {"host": "api"}}],
        split,
    ]
)
extras = st.sampled_from(
    [
        {},
        {"timeout": "9s"},
        {"fault": abort(1)},
        {"mirror": {"host": "api"}, "mirrorPercentage": {"value": 1}},
        {"retries": {"attempts": 1}},
    ]
)


def _route(name: str, match: Any, where: list[Body], extra: Body) -> Body:
    body: Body = {"name": name} if name else {}
    if match is not None:
        body["match"] = match
    return {**body, "route": where, **extra}


routes = st.builds(_route, st.sampled_from(["", "a", "b", "c"]), conditions, leads, extras)


def _distinct(listed: list[Body]) -> list[Body]:
    """Istio refuses two routes of one name."""
    names: set[str] = set()
    kept = []
    for each in listed:
        name = each.get("name", "")
        if not name or name not in names:
            kept.append(each)
        names.add(name)
    return kept


objects = st.lists(routes, min_size=1, max_size=3).map(
    lambda listed: virtual_service(*clone(_distinct(listed)))
)

wheres = st.sampled_from(
    [
        Where("web"),
        Where("web"),
        Where("web", route="a"),
        Where("web", callers=("cart",)),
        Where("web", callers=("bot", "cart")),
        Where("web", port=8080),
    ]
)
seconds = st.integers(1, 9).map(lambda n: timedelta(seconds=n))
actions = st.one_of(
    st.builds(
        lambda where, share, word, over: Shift(
            where, {"web": 100 - share, "standby": share}, "web", word, take_over=over
        ),
        wheres,
        shares,
        st.sampled_from(["split", "failover"]),
        st.booleans(),
    ),
    st.builds(Timeout, wheres, seconds),
    st.builds(Retry, wheres, st.integers(0, 3), st.none() | seconds),
    st.builds(
        lambda where, share, over: Mirror(where, "api", share, take_over=over),
        wheres,
        shares,
        st.booleans(),
    ),
    st.builds(
        lambda where, share, over: Fault(where, 503, abort_percentage=share, take_over=over),
        wheres,
        shares,
        st.booleans(),
    ),
    st.builds(
        lambda where, values, share: Shed(where, {"x": values} if values else {}, share),
        wheres,
        st.sampled_from([(), ("b",), ("b", "d")]),
        st.sampled_from([0, 25, 100]),
    ),
)
wanted = st.lists(actions, max_size=3)
asked = st.tuples(st.sampled_from(HOLDERS), wanted)


def owner(name: str) -> Owner:
    return Owner(RULES, "shop", name, f"uid-{name}", "rules")


class World:
    """One VirtualService, and holders that ask for actions on it."""

    def __init__(self, body: Body) -> None:
        self.thing = Object(body)

    def plan(self, name: str, actions: list[Overlaid]) -> Plan:
        seen = {**self.thing.body, "metadata": {**self.thing.body["metadata"]}}
        seen["metadata"].pop("managedFields", None)
        return Istio().plan(owner(name), actions, Snapshot({VIRTUAL_SERVICES: [seen]}), NOW)

    def sync(
        self, name: str, actions: list[Overlaid], write: Callable[[], None] = lambda: None
    ) -> Plan:
        """Plan and carry out; `write` is called before each write."""
        plan = self.plan(name, actions)
        for step in plan.steps:
            if isinstance(step, PutOverlay) and step.differs:
                write()
                self.thing.put(step.wish)
            elif isinstance(step, TakeBack):
                self._take_back(step, write)
        return plan

    def _take_back(self, step: TakeBack, write: Callable[[], None]) -> None:
        def chosen(overlay: Overlay) -> bool:
            return overlay.id in step.chosen and step.holder.succeeds(overlay.holder)

        if patch := undo(self.thing.body, chosen).patch:
            write()
            self.thing.patch(patch)
        write()
        self.thing.finish()
