"""`init` writes everything or nothing, and says everything that is wrong at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from autopilot.base.errors import InvalidInput
from autopilot.project import init as init_module
from autopilot.project.init import Wish, init
from autopilot.project.templates import TEMPLATES

if TYPE_CHECKING:
    from pathlib import Path


def wrong(wish: Wish) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        init(wish)
    return [str(problem) for problem in caught.value.problems]


def test_everything_wrong_is_said_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    place = tmp_path / "full"
    place.mkdir()
    (place / "keep").write_text("me")
    wish = Wish(place, kind="canary", group="x", version="1", template="canry", operator_name="A_b")
    assert wrong(wish) == [
        "--group: 'x' is no API group; a domain, like example.io",
        "--kind: 'canary' is no kind; CamelCase, like Canary",
        "--operator-name: 'A_b' is a name that Kubernetes or Python refuses; "
        "lower-case letters, digits and dashes, a letter first: canary-operator",
        "--template: no template 'canry'; did you mean 'canary'?",
        "--version: '1' is no version; like v1 or v1alpha1",
        f"DIR: {place} isn't empty; name a new folder, or use --force",
    ]
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "keep"]


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"kind": ""}, "--kind: is missing; CamelCase, like --kind Canary"),
        ({"kind": "Phase"}, "--kind: 'Phase' is a name of the SDK; like MyPhase"),
        (
            {"group": "apps.k8s.io"},
            "--group: 'apps.k8s.io' is kept for Kubernetes itself; a domain of your own",
        ),
        (
            {"group": "Example.io"},
            "--group: 'Example.io' is no API group; a domain, like example.io",
        ),
        ({"version": "v1gamma1"}, "--version: 'v1gamma1' is no version; like v1 or v1alpha1"),
        (
            {"operator_name": "json"},
            "--operator-name: 'json' would hide a Python package of that name; like json-operator",
        ),
    ],
)
def test_a_single_wrong_wish_says_what_would_be_right(
    tmp_path: Path, changes: dict[str, str], expected: str
) -> None:
    wish = Wish(tmp_path / "new", **{"kind": "Thing", **changes})
    assert wrong(wish) == [expected]
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = wrong(Wish(tmp_path / "file", kind="Thing"))
    assert found == [f"DIR: {tmp_path / 'file'} is a file; name a folder"]


def test_the_operators_name_is_made_from_the_kind(tmp_path: Path) -> None:
    init(Wish(tmp_path / "a", kind="HTTPGuard"))
    assert "operatorName: http-guard-operator" in (tmp_path / "a/autopilot.yaml").read_text()
    assert (tmp_path / "a/http_guard_operator/spec.py").exists()
    assert Wish(tmp_path, kind="CanaryOperator").named_operator == "canary-operator"


@pytest.mark.parametrize(
    "template, kind", [("canary", "Canary"), ("autoroute", "AutoRoute"), ("chaos", "Drill")]
)
def test_a_template_has_a_kind_of_its_own(tmp_path: Path, template: str, kind: str) -> None:
    assert Wish(tmp_path, template=template).named_kind == kind


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert "autopilot.yaml" in init(Wish(tmp_path, kind="Thing"))
    assert (tmp_path / "autopilot.yaml").exists()


def test_force_replaces_what_is_in_the_way_and_keeps_the_rest(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    init(Wish(tmp_path, kind="Thing", force=True))
    assert (tmp_path / "README.md").read_text().startswith("# thing-operator")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_failure_on_the_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(init_module, "generate", fail)
    with pytest.raises(InvalidInput, match="the disk is full"):
        init(Wish(tmp_path / "new", kind="Thing"))
    assert list(tmp_path.iterdir()) == []


def test_names_of_any_length_stay_readable(tmp_path: Path) -> None:
    for template in TEMPLATES:
        root = tmp_path / template
        kind = "A" + "VeryLong" * 6
        init(Wish(root, kind=kind, operator_name="long", template=template))
        for path in (root / "long").rglob("*.py"):
            for line in path.read_text().splitlines():
                assert len(line) <= 100, (path, line)
