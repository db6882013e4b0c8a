"""autopilot-operator.yaml: fields, defaults, errors, environment."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from autopilot.base.errors import InvalidInput
from autopilot.project.load import read_config
from autopilot.spec.operator_config import OperatorConfig

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, text: str, **environ: str) -> OperatorConfig:
    path = tmp_path / "autopilot-operator.yaml"
    path.write_text(text)
    return read_config(path, environ=environ)[1]


def wrong(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, text)
    return [
        str(problem).partition("autopilot-operator.yaml:")[2] for problem in caught.value.problems
    ]


def test_a_missing_or_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none.yaml", environ={})[1] == OperatorConfig()
    assert read(tmp_path, "# nothing\n") == OperatorConfig()


def test_the_defaults_are_the_originals() -> None:
    config = OperatorConfig()
    assert config.version == "0.0.1"
    assert config.mesh_provider == "Istio"
    assert config.control_plane_ns == "istio-system"
    assert config.work_interval == timedelta(seconds=5)
    assert config.metrics_addr == ":9091"
    assert config.enable_leader_election is True
    assert config.watch_namespace == config.leader_election_namespace == ""
    assert config.log_level == "Info"
    assert config.config == {}


@pytest.mark.parametrize(
    "written, level",
    [
        ("Debug", logging.DEBUG),
        ("info", logging.INFO),
        ("Warn", logging.WARNING),
        ("ERROR", logging.ERROR),
        ("DPanic", logging.CRITICAL),
        ("0", logging.DEBUG),
        ("1", logging.INFO),
        ("2", logging.WARNING),
        ("3", logging.ERROR),
        ("4", logging.CRITICAL),
        ("5", logging.CRITICAL),
        ("6", logging.CRITICAL),
        ('"1"', logging.INFO),
    ],
)
def test_log_levels_are_names_or_the_originals_numbers(
    tmp_path: Path, written: str, level: int
) -> None:
    assert read(tmp_path, f"logLevel: {written}\n").logging_level == level


@pytest.mark.parametrize(
    "written, address",
    [
        ('":9091"', ("0.0.0.0", 9091)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ('"[::1]:80"', ("::1", 80)),
        ('""', None),
    ],
)
def test_the_metrics_address_is_split(
    tmp_path: Path, written: str, address: tuple[str, int] | None
) -> None:
    assert read(tmp_path, f"metricsAddr: {written}\n").metrics_address == address


def test_the_environment_stands_above_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "watchNamespace: a\n", WATCH_NAMESPACE="b").watch_namespace == "b"
    assert read(tmp_path, "watchNamespace: a\n", WATCH_NAMESPACE="").watch_namespace == "a"
    assert read(tmp_path, "", WATCH_NAMESPACE="b").watch_namespace == "b"


def test_every_error_is_said_at_once(tmp_path: Path) -> None:
    text = (
        "logLevel: 7\nworkInterval: 5\nmetricsAddr: 9091\nmeshProvider: SMI\n"
        "enableLeaderElection: perhaps\nversion: 1.0\nwatchNamespace: A_b\nwatchNamespaces: a\n"
        "config: [1]\n"
    )
    assert wrong(tmp_path, text) == [
        "1: logLevel: 7 is no log level; one of Debug, Info, Warn, Error, DPanic, Panic, Fatal, "
        "or 0 to 6",
        "2: workInterval: 5 has no unit; write a number and a unit: 500ms, 5s, 1m30s",
        '3: metricsAddr: 9091 is read as a number; quote it: "9091"',
        "4: meshProvider: there is no provider for 'SMI'; known: Istio",
        "5: enableLeaderElection: is the text 'perhaps'; true or false is wanted",
        '6: version: 1.0 is read as a number; quote it: "1.0"',
        "7: watchNamespace: 'A_b' is no namespace; lower-case letters, digits and dashes, "
        "at most 63",
        "8: watchNamespaces: unknown key; did you mean 'watchNamespace'?",
        "9: config: is a list; a map is wanted",
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "workInterval: 0s\n",
            "1: workInterval: an interval of nothing never waits; at least 1ms, like 5s",
        ),
        (
            "workInterval: soon\n",
            "1: workInterval: 'soon' is no duration; write a number and a unit: 500ms, 5s, 1m30s",
        ),
        (
            'metricsAddr: ":99999"\n',
            "1: metricsAddr: ':99999' is no address; host:port or :port, like :9091, "
            'or "" for no metrics',
        ),
        ("- a\n", "1: is no map; write `key: value` lines"),
        ("a: 1\n---\nb: 2\n", "1: a: unknown key; known: "),
    ],
)
def test_single_errors_say_what_would_be_right(tmp_path: Path, text: str, expected: str) -> None:
    assert wrong(tmp_path, text)[0].startswith(expected)


def test_a_second_document_is_refused(tmp_path: Path) -> None:
    assert "a second document; one is enough" in wrong(tmp_path, "version: a\n---\nversion: b\n")[0]
