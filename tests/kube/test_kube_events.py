import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from kube_help import config_map, until

from autopilot.base.clock import VirtualClock
from autopilot.kube.event_text import MESSAGE_LIMIT, camel_case, cut
from autopilot.kube.events import EventRecorder, EventSettings
from autopilot.kube.http import HttpKubeClient
from autopilot.kube.kinds import KNOWN
from autopilot.kube.retry import Backoff
from autopilot.sandbox.apiserver.faults import Fault
from autopilot.sandbox.apiserver.server import ApiServer

Body = dict[str, Any]
EVENTS = KNOWN["events"]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 5, 1, 12, tzinfo=UTC))


@pytest.fixture
async def about(client: HttpKubeClient) -> Body:
    return await client.create(KNOWN["configmaps"], config_map("web"))


@pytest.fixture
def recorder(client: HttpKubeClient, clock: VirtualClock) -> EventRecorder:
    return EventRecorder(client, "autopilot.canary", "pod-1", clock=clock)


async def events(client: HttpKubeClient, about: Body) -> list[Body]:
    # As `kubectl describe` asks.
    uid = about["metadata"]["uid"]
    selector = f"involvedObject.name=web,involvedObject.kind=ConfigMap,involvedObject.uid={uid}"
    found = (await client.list(EVENTS, "default", fields=selector)).items
    return sorted(found, key=lambda each: str(each["message"]))


async def test_an_event_is_found_as_kubectl_describe_looks_for_it(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    recorder.record(about, "Normal", "PhaseChanged", "Waiting -> Evaluating")
    await recorder.flush()
    (event,) = await events(client, about)
    assert event["type"] == "Normal"
    assert event["reason"] == "PhaseChanged"
    assert event["message"] == "Waiting -> Evaluating"
    assert event["count"] == 1
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-05-01T12:00:00Z"
    assert event["source"]["component"] == "autopilot.canary"
    assert event["reportingInstance"] == "pod-1"
    assert event["involvedObject"]["apiVersion"] == "v1"


async def test_equal_events_are_counted_on_one_object(
    client: HttpKubeClient, recorder: EventRecorder, clock: VirtualClock, about: Body
) -> None:
    recorder.record(about, "Warning", "Contested", "edited by hand")
    await recorder.flush()
    clock.move(60)
    for _ in range(3):
        recorder.record(about, "Warning", "Contested", "edited by hand")
    recorder.record(about, "Normal", "Contested", "edited by hand")
    await recorder.flush()
    counts = {each["type"]: each for each in await events(client, about)}
    assert counts["Warning"]["count"] == 4
    assert counts["Warning"]["firstTimestamp"] == "2026-05-01T12:00:00Z"
    assert counts["Warning"]["lastTimestamp"] == "2026-05-01T12:01:00Z"
    assert counts["Normal"]["count"] == 1


async def test_an_event_that_has_expired_begins_anew(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    recorder.record(about, "Normal", "Tick", "t")
    await recorder.flush()
    (event,) = await events(client, about)
    await client.delete(EVENTS, event["metadata"]["name"], "default")
    recorder.record(about, "Normal", "Tick", "t")
    await recorder.flush()
    (event,) = await events(client, about)
    assert event["count"] == 1


async def test_an_object_has_a_budget_and_what_was_held_back_is_counted_later(
    client: HttpKubeClient, recorder: EventRecorder, clock: VirtualClock, about: Body
) -> None:
    for number in range(40):
        recorder.record(about, "Normal", "Tick", f"message {number:02}")
    recorder.record(about, "Normal", "Tick", "message 39")
    await recorder.flush()
    assert len(await events(client, about)) == 25
    clock.move(299)
    recorder.record(about, "Normal", "Tick", "message 39")
    await recorder.flush()
    assert len(await events(client, about)) == 25
    clock.move(1)
    recorder.record(about, "Normal", "Tick", "message 39")
    await recorder.flush()
    told = await events(client, about)
    assert len(told) == 26
    assert {each["message"]: each["count"] for each in told}["message 39"] == 4


async def test_one_objects_flood_leaves_others_their_budget(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    other = await client.create(KNOWN["configmaps"], config_map("other"))
    for number in range(60):
        recorder.record(about, "Normal", "Tick", f"message {number}")
    recorder.record(other, "Warning", "Breach", "errors 6% > 5%")
    await recorder.flush()
    found = (await client.list(EVENTS, "default", fields="involvedObject.name=other")).items
    assert [each["reason"] for each in found] == ["Breach"]


async def test_recording_never_fails_nor_waits(
    client: HttpKubeClient, server: ApiServer, clock: VirtualClock, about: Body
) -> None:
    settings = EventSettings(queue=3, burst=100)
    recorder = EventRecorder(client, "autopilot.canary", clock=clock, settings=settings)
    for number in range(10):
        recorder.record(about, "Normal", "Tick", f"message {number}")
    assert recorder.dropped == 7
    recorder.record({}, "Normal", "Tick", "about nothing")
    assert recorder.dropped == 8
    server.faults.add(Fault("status", verb="create", resource="events", status=403))
    await recorder.flush()
    assert recorder.dropped == 11


async def test_a_flood_of_events_is_told_once_a_minute_with_their_number(
    client: HttpKubeClient, clock: VirtualClock, about: Body, caplog: pytest.LogCaptureFixture
) -> None:
    settings = EventSettings(queue=1, burst=1000)
    recorder = EventRecorder(client, "autopilot.canary", clock=clock, settings=settings)

    def told() -> list[int]:
        said = "too many Events wait, some are dropped"
        found = [record for record in caplog.records if record.message == said]
        return [record.autopilot_fields["count"] for record in found]  # type: ignore[attr-defined]

    for number in range(101):
        recorder.record(about, "Normal", "Tick", f"message {number}")
    assert told() == [1]
    await clock.advance(59)
    recorder.record(about, "Normal", "Tick", "still too early")
    assert told() == [1]
    await clock.advance(2)
    recorder.record(about, "Normal", "Tick", "a minute later")
    assert told() == [1, 101]
    assert recorder.dropped == 102


async def test_a_server_that_is_busy_is_asked_again_and_given_up_in_the_end(
    client: HttpKubeClient, server: ApiServer, about: Body
) -> None:
    quick = EventSettings(attempts=3, backoff=Backoff(initial=0.01, maximum=0.02))
    recorder = EventRecorder(client, "autopilot.canary", settings=quick)
    fault = server.faults.add(
        Fault("status", verb="create", resource="events", status=503, count=2)
    )
    recorder.record(about, "Normal", "Tick", "third time lucky")
    await recorder.flush()
    assert server.faults.hits(fault) == 2
    assert len(await events(client, about)) == 1
    server.faults.add(Fault("status", verb="create", resource="events", status=503))
    recorder.record(about, "Normal", "Tick", "never")
    await recorder.flush()
    assert recorder.dropped == 1


async def test_an_answer_that_was_lost_makes_no_second_event(
    client: HttpKubeClient, server: ApiServer, about: Body
) -> None:
    quick = EventSettings(backoff=Backoff(initial=0.01, maximum=0.02))
    recorder = EventRecorder(client, "autopilot.canary", settings=quick)
    server.faults.add(Fault("cut-after", verb="create", resource="events", count=1))
    recorder.record(about, "Normal", "Tick", "once")
    await recorder.flush()
    (event,) = await events(client, about)
    assert event["count"] == 1
    assert recorder.dropped == 0


async def test_a_running_recorder_sends_by_itself_and_stops_when_told(
    client: HttpKubeClient, about: Body
) -> None:
    recorder = EventRecorder(client, "autopilot.canary")
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    recorder.record(about, "Normal", "Tick", "one")
    await until(lambda: not recorder._waiting and not recorder._sending.locked())
    stop.set()
    await asyncio.wait_for(task, 5)
    recorder.record(about, "Normal", "Tick", "two")
    await recorder.flush()
    assert [each["message"] for each in await events(client, about)] == ["one", "two"]


async def test_an_event_about_a_cluster_scoped_object_stands_in_default(
    client: HttpKubeClient, recorder: EventRecorder
) -> None:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "u"}}
    recorder.record(body, "Normal", "Ready", "it is")
    await recorder.flush()
    found = (await client.list(EVENTS, "default", fields="involvedObject.name=n1")).items
    assert len(found) == 1


async def test_any_other_type_becomes_a_warning(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    recorder.record(about, "Error", "Broken", "x")  # type: ignore[arg-type]
    await recorder.flush()
    assert [each["type"] for each in await events(client, about)] == ["Warning"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("PhaseChanged", "PhaseChanged"),
        ("phase changed", "PhaseChanged"),
        ("roll-back", "RollBack"),
        ("5xx", "Reason5xx"),
        ("", "Reason"),
        ("x" * 200, "X" + "x" * 127),
    ],
)
def test_a_reason_is_camel_case(given: str, made: str) -> None:
    assert camel_case(given) == made


def test_a_message_is_cut_in_bytes_and_never_within_a_letter() -> None:
    assert cut("short") == "short"
    assert cut("x" * MESSAGE_LIMIT) == "x" * MESSAGE_LIMIT
    long = cut("ü" * 1000)
    assert len(long.encode()) <= MESSAGE_LIMIT
    assert long.endswith("...")
    assert long.removesuffix("...").strip("ü") == ""


async def test_a_message_at_the_limit_is_taken_by_the_api(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    recorder.record(about, "Normal", "Long", "x" * 5000)
    await recorder.flush()
    (event,) = await events(client, about)
    assert len(event["message"]) == MESSAGE_LIMIT


async def test_an_event_under_way_when_the_recorder_stops_is_not_lost(
    client: HttpKubeClient, server: ApiServer, about: Body
) -> None:
    recorder = EventRecorder(client, "autopilot.canary")
    slow = server.faults.add(Fault("latency", verb="create", resource="events", seconds=30))
    stop = asyncio.Event()
    task = asyncio.create_task(recorder.run(stop))
    recorder.record(about, "Normal", "Tick", "under way")
    await until(lambda: server.faults.hits(slow) == 1)
    recorder.record(about, "Normal", "Tick", "under way")
    stop.set()
    await asyncio.wait_for(task, 5)
    server.faults.clear()
    await recorder.flush()
    (event,) = await events(client, about)
    assert event["count"] == 2


async def test_events_of_one_instant_keep_their_order_by_name(
    client: HttpKubeClient, recorder: EventRecorder, about: Body
) -> None:
    reasons = ["Initialized", "Started", "Done", "Again"]
    for reason in reasons:
        recorder.record(about, "Normal", reason, "m")
    await recorder.flush()
    found = (await client.list(EVENTS, "default")).items
    found.sort(key=lambda each: str(each["metadata"]["name"]))
    assert [each["reason"] for each in found] == reasons
