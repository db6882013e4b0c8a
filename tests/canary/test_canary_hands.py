"""Whatever people do to its objects: no traffic to nothing, and no version that nobody judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from canary_kit import (
    KIND,
    canary,
    check,
    deployment,
    ended,
    endpoints,
    image,
    mark,
    release,
    replicas,
    service,
    share,
    take_off,
    weights,
)

from autopilot.testing import readiness

if TYPE_CHECKING:
    from pathlib import Path

    from autopilot.testing.flight import Flight


def no_pods(f: Flight, name: str) -> None:
    """A Service has no ready endpoints, and its Deployment none that are available."""
    f._store.merge(
        "endpointslices.discovery.k8s.io", f"{name}-flight", {"endpoints": []}, "default"
    )
    found = f.get("Deployment", name)
    if found is not None:
        status = {"status": {"readyReplicas": 0, "availableReplicas": 0}}
        f._store.merge("deployments.apps", name, status, "default", subresource="status")


def edit(f: Flight, name: str, image: str) -> None:
    """`kubectl edit deployment`: another image."""
    containers = [{"name": "web", "image": image}]
    spec = {"spec": {"template": {"spec": {"containers": containers}}}}
    f._store.merge("deployments.apps", name, spec, "default")


async def on_trial(f: Flight) -> None:
    await take_off(f)
    f.apply(release("web:v2"))
    await f.until(lambda: share(f) == 50, within="1m")


async def test_a_primary_deleted_while_waiting_is_made_anew_from_what_was_promoted(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.delete("Deployment", "web-primary")
        await f.advance("2s")
        check(f)
        assert (image(f, "web-primary"), replicas(f, "web-primary")) == ("web:v1", 3)


async def test_a_primary_deleted_beside_a_version_that_failed_is_made_anew_from_the_good_one(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.samples.set("error_rate", 0.3)
        await f.until(lambda: ended(f) == [False])
        f.delete("Deployment", "web-primary")
        await f.advance("2s")
        check(f)
        assert image(f, "web-primary") == "web:v1"


async def test_a_primary_deleted_in_mid_evaluation_is_made_anew_and_the_flight_goes_on(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.delete("Deployment", "web-primary")
        await f.advance("1s")
        check(f)
        assert image(f, "web-primary") == "web:v1"
        await f.until(lambda: ended(f) == [True], within="1m")
        assert image(f, "web-primary") == "web:v2"


async def test_a_breach_while_the_primary_is_gone_leaves_no_dead_end(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.workloads = False
        f.delete("Deployment", "web-primary")
        no_pods(f, "web-primary")
        f.samples.set("error_rate", 0.3)
        await f.advance("10s")
        # All to the primary would be all to nothing: the canary keeps what it has.
        assert share(f) == 50
        assert image(f, "web-primary") == "web:v1"
        f.workloads = True
        f.samples.set("error_rate", 0.0)
        await f.until(lambda: ended(f) == [False], within="1m")
        assert weights(f) == {"web-primary": 100, "web-canary": 0}
        await f.advance("30s")
        assert (ended(f), f.resource().phase) == ([False], "Waiting")


async def test_an_edited_primary_is_set_back_to_what_was_promoted(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        edit(f, "web-primary", "web:by-hand")
        await f.advance("1s")
        assert image(f, "web-primary") == "web:v1"


async def test_a_canary_edited_at_the_last_moment_promotes_the_judged_version_all_the_same(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.workloads = False  # the primary's new pods take their time
        await f.until(lambda: f.resource().phase == "Promoting", within="1m")
        edit(f, "web-canary", "web:by-hand")
        f.apply(release("web:v3"))
        await f.advance("2s")
        assert (image(f, "web-primary"), image(f, "web-canary")) == ("web:v2", "web:v2")
        f.workloads = True
        await f.until(lambda: ended(f) == [True], within="1m")
        assert image(f, "web-primary") == "web:v2"


async def test_a_canary_lost_in_mid_promotion_hands_over_to_whatever_the_primary_has(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.workloads = False
        await f.until(lambda: f.resource().phase == "Promoting", within="1m")
        assert share(f) == 100
        no_pods(f, "web-canary")
        await f.advance("1s")
        assert share(f) == 0
        f.workloads = True
        await f.until(lambda: ended(f) == [True], within="1m")
        assert image(f, "web-primary") == "web:v2"


async def test_services_and_routes_deleted_by_hand_come_back_in_every_phase(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        for phase in ("Waiting", "Evaluating"):
            for name in ("web-primary", "web-canary"):
                f.delete("Service", name)
                await f.advance("1s")
                assert f.get("Service", name) is not None, (phase, name)
            f.delete("VirtualService", "web")
            await f.advance("1s")
            check(f)
            assert sum(weights(f).values()) == 100
            if phase == "Waiting":
                f.apply(release("web:v2"))
                await f.until(lambda: share(f) == 50, within="1m")


async def test_a_target_is_not_scaled_down_while_the_primary_has_no_ready_pod(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        f.apply(deployment("web:v1"), service(), canary(settle="5s"))
        await f.until(lambda: f.resource().phase == "Waiting", within="1m")
        f.workloads = False
        no_pods(f, "web-primary")
        await f.advance("30s")
        assert replicas(f) == 3
        f.workloads = True
        await f.until(lambda: replicas(f) == 0, within="1m")
        check(f)


async def test_whoever_scales_the_target_up_for_want_of_a_primary_is_left_alone(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.workloads = False
        no_pods(f, "web-primary")
        f.apply(deployment("web:v1", replicas=5))
        await f.advance("20s")
        assert replicas(f) == 5
        f.workloads = True
        await f.until(lambda: replicas(f) == 0, within="1m")
        assert replicas(f, "web-primary") == 5


async def test_a_version_that_was_taken_back_has_not_failed(flight: Any, project: Path) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.apply(release("web:v1"))
        await f.advance("1s")
        assert share(f) == 0
        await f.until(lambda: ended(f) == [False], within="1m")
        f.apply(release("web:v2"))
        await f.until(lambda: ended(f) == [False, True], within="2m")
        assert image(f, "web-primary") == "web:v2"


async def test_a_change_to_a_version_that_failed_before_rolls_back(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await on_trial(f)
        f.samples.set("error_rate", 0.3)
        await f.until(lambda: ended(f) == [False])
        f.samples.set("error_rate", 0.0)
        f.apply(release("web:v3"))
        await f.until(lambda: share(f) == 50, within="1m")
        f.apply(release("web:v2"))
        await f.advance("30s")
        assert (ended(f), share(f)) == ([False, False], 0)
        assert image(f, "web-primary") == "web:v1"


async def test_another_name_in_the_spec_changes_nothing_but_the_message(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.apply(deployment("shop:v1", name="shop"), service("shop"))
        f.apply(canary(deployment="shop", service="shop"))
        await f.advance("10s")
        check(f)
        assert (replicas(f), replicas(f, "shop"), replicas(f, "web-primary")) == (0, 3, 3)
        assert "can't be changed" in f.resource().message
        f.delete(KIND, "web")
        await f.until(lambda: f.get(KIND, "web") is None, within="1m")
        assert (replicas(f), mark(f)) == (3, None)


async def test_a_second_resource_on_one_target_is_refused_and_can_be_deleted(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.apply(canary("other"))
        await f.advance("10s")
        assert f.resource("other").phase == "Initializing"
        ready = f.resource("other").condition("Ready")
        assert ready is not None
        assert (ready["status"], ready["reason"]) == ("False", "Conflict")
        assert "default/web" in ready["message"]
        f.delete(KIND, "other")
        await f.until(lambda: len(f.list(KIND)) == 1, within="1m")
        await f.advance("5s")
        check(f)
        assert (replicas(f), mark(f)["name"]) == (0, "web")
        assert image(f, "web-primary") == "web:v1"


async def test_a_second_resource_takes_over_when_the_first_goes(flight: Any, project: Path) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.apply(canary("other"))
        await f.advance("5s")
        f.delete(KIND, "web")
        await f.until(
            lambda: (
                len(f.list(KIND)) == 1
                and f.resource("other").phase == "Waiting"
                and replicas(f) == 0
            ),
            within="2m",
        )
        check(f)
        assert mark(f)["name"] == "other"
        assert mark(f)["before"] == 3


async def test_a_resource_whose_finalizer_was_torn_off_is_made_again_and_finds_its_way(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.delete(KIND, "web")
        f._store.merge(f._primary, "web", {"metadata": {"finalizers": []}}, "default")
        await f.advance("2s")
        assert f.get(KIND, "web") is None
        f.apply(canary())
        await f.until(lambda: f.resource().phase == "Waiting", within="1m")
        await f.advance("5s")
        check(f)
        assert mark(f)["before"] == 3
        f.delete(KIND, "web")
        await f.until(lambda: f.get(KIND, "web") is None, within="1m")
        assert (replicas(f), mark(f)) == (3, None)


async def test_a_target_that_shall_have_no_pods_holds_up_no_deletion(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        f.apply(deployment("web:v1"), service(), canary(settle="5s"))
        await f.until(lambda: f.resource().phase == "Waiting", within="1m")
        f.apply(deployment("web:v1", replicas=0))
        await f.advance("20s")
        f.delete(KIND, "web")
        await f.until(lambda: f.get(KIND, "web") is None, within="1m")
        assert replicas(f) == 0


async def test_a_deleted_target_holds_up_no_deletion_and_comes_back_under_control(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        await take_off(f)
        f.delete("Deployment", "web")
        await f.advance("5s")
        assert image(f, "web-primary") == "web:v1"
        assert endpoints(f, "web-primary") == 3
        f.apply(deployment("web:v1", replicas=2))
        await f.until(lambda: replicas(f) == 0, within="1m")
        check(f)
        assert replicas(f, "web-primary") == 2
        f.delete("Deployment", "web")
        f.delete(KIND, "web")
        await f.until(lambda: f.get(KIND, "web") is None, within="1m")
        assert f.get("VirtualService", "web") is None


async def test_a_namespace_that_goes_takes_everything_along(flight: Any, project: Path) -> None:
    async with flight(project, workloads=True) as f:
        f.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        bodies = (deployment("web:v1"), service(), canary())
        f.apply(*({**body, "metadata": {"name": "web", "namespace": "shop"}} for body in bodies))

        def held() -> bool:
            target = f.get("Deployment", "web", "shop")
            return target is not None and target.at("spec.replicas") == 0

        await f.until(held, within="1m")
        f._store.delete("namespaces", "shop", "")
        await f.until(lambda: not f.list(KIND), within="2m")
        await f.advance("5s")
        assert [d.name for d in f.list("Deployment", "shop")] == []


async def test_the_target_changes_between_the_first_split_and_the_phase(
    flight: Any, project: Path
) -> None:
    async with flight(project, workloads=True) as f:
        f.samples.set("error_rate", 0.5)
        f.samples.set("latency", 80.0)
        f.apply(deployment("web:v1"), service(), canary())
        await f.until(lambda: bool(f.resource().at("status.promoted", "")), within="1m")
        f.apply(release("web:v2"))
        await f.advance("30s")
        assert image(f, "web-primary") == "web:v1"
        assert ended(f) == [False]


async def test_what_says_readiness_in_these_tests_gives_services_their_endpoints(
    flight: Any, project: Path
) -> None:
    async with flight(project) as f:
        f.apply(deployment("web:v1"), service())
        readiness.simulate(f._store)
        assert endpoints(f, "web") == 3
