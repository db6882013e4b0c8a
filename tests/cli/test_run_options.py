"""What `autopilot run` makes of the configuration and of where it runs."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from autopilot.cli.running import SANDBOX_CONTEXT, options
from autopilot.spec.operator_config import OperatorConfig


@dataclass
class Place:
    """As much of a client as says where it leads."""

    context: str
    server: str = "http://127.0.0.1:1/secret"


def made(context: str, **config: Any) -> str:
    return options(
        OperatorConfig(**config), cast("Any", Place(context)), dry_run=False
    ).metrics_addr


def test_a_cluster_gets_the_configured_metrics_address() -> None:
    assert made("production") == ":9091"


@pytest.mark.parametrize("address", [":9091", "0.0.0.0:80"])
def test_a_sandbox_keeps_metrics_on_loopback_and_a_free_port(address: str) -> None:
    assert made(SANDBOX_CONTEXT, metrics_addr=address) == "127.0.0.1:0"


def test_metrics_that_are_switched_off_stay_off_in_a_sandbox() -> None:
    assert made(SANDBOX_CONTEXT, metrics_addr="") == ""
