"""A project's files and package become the definition that the runtime runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from small_projects import AUTOPILOT_YAML, SPEC, WORKER

from autopilot.base.errors import InvalidInput
from autopilot.project.definition import definitions, load_definitions, typed_config
from autopilot.project.load import find_root, load
from autopilot.spec.model import FreeConfig
from autopilot.spec.operator_config import OperatorConfig

if TYPE_CHECKING:
    from pathlib import Path

    from small_projects import MakeProject


def wrong(root: Path) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        load_definitions(root)
    return [str(problem).replace(f"{root}/", "") for problem in caught.value.problems]


def test_a_definition_holds_all_that_was_declared(make_project: MakeProject) -> None:
    project, (definition,) = load_definitions(make_project())
    assert definition.name == "thing-operator"
    assert definition.kind.qualified == "things.example.io"
    assert definition.initial.name == "Making"
    making, made = definition.phases
    assert [one.attribute for one in making.inputs] == ["pods"]
    assert [one.attribute for one in making.outputs] == ["configmaps"]
    assert (making.metrics, making.actions, making.transitions) == (True, ("scale",), ("Made",))
    assert (made.final, made.worker) == (True, None)
    assert definition.queries is not None
    assert "error_rate" in definition.queries
    assert definition.spec.__name__ == "Spec"
    assert definition.finalizer is None
    assert project.package == "thing_operator"


def test_narrowed_inputs_and_the_finalizer_come_through(make_project: MakeProject) -> None:
    text = AUTOPILOT_YAML.replace(
        "inputs: [pods, metrics]",
        "inputs: [{kind: pods, selector: a=b, namespace: '*'}, {kind: secrets, names: [x, y]}]",
    )
    text += "enableFinalizer: true\nfinalizer:\n  inputs: [jobs]\n  outputs: [configmaps]\n"
    root = make_project({"autopilot.yaml": text, "thing_operator/workers/finalizer.py": WORKER})
    _, (definition,) = load_definitions(root)
    pods, secrets = definition.phases[0].inputs
    assert (pods.selector, pods.namespace) == ("a=b", "*")
    assert secrets.names == ("x", "y")
    assert definition.finalizer is not None
    assert [one.attribute for one in definition.finalizer.inputs] == ["jobs"]
    assert definition.queries is None


def test_kinds_of_custom_parameters_can_be_used(make_project: MakeProject) -> None:
    text = AUTOPILOT_YAML.replace("[pods, metrics]", "[upstreams]")
    text += "customParameters:\n- {lowerName: upstreams, singleName: Upstream, apiGroup: g.io}\n"
    _, (definition,) = load_definitions(make_project({"autopilot.yaml": text}))
    assert definition.phases[0].inputs[0].kind.api_version == "g.io/v1"


def test_a_second_document_has_a_package_of_its_own(make_project: MakeProject) -> None:
    more = (
        "---\nkind: BigThing\napiVersion: example.io/v1\nphases:\n- name: Only\n  initial: true\n"
    )
    root = make_project(
        {
            "autopilot.yaml": AUTOPILOT_YAML + more,
            "thing_operator/big_thing/__init__.py": "",
            "thing_operator/big_thing/spec.py": SPEC,
            "thing_operator/big_thing/workers/only.py": WORKER,
        }
    )
    _, (first, second) = load_definitions(root)
    assert (first.kind.kind, second.kind.kind) == ("Thing", "BigThing")
    assert first.name == second.name == "thing-operator"
    assert second.spec.__module__ == "thing_operator.big_thing.spec"


def test_a_project_is_found_from_any_folder_inside_it(make_project: MakeProject) -> None:
    root = make_project()
    assert find_root(root / "thing_operator" / "workers") == root.resolve()
    assert find_root(root / "autopilot.yaml") == root.resolve()


def test_outside_of_a_project_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no autopilot\.yaml in .* or above it; go into a"):
        find_root(tmp_path)


def test_a_missing_worker_is_named_with_the_remedy(make_project: MakeProject) -> None:
    root = make_project({"thing_operator/workers/making.py": None})
    assert wrong(root) == [
        "thing_operator/workers/making.py: Making has no worker; "
        "autopilot generate writes one to fill in"
    ]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("x = 1\n", "thing_operator/workers/making.py: sync is missing; "),
        ("sync = 5\n", "thing_operator/workers/making.py: sync isn't a function; "),
        (
            "# one\ndef sync(res):\n    return None\n",
            "thing_operator/workers/making.py:2: sync doesn't take three arguments; ",
        ),
        (
            "def sync(res, inputs, ctx, *, more):\n    return None\n",
            "thing_operator/workers/making.py:1: sync doesn't take three arguments; ",
        ),
        (
            "async def sync(res, inputs, ctx):\n    yield 1\n",
            "thing_operator/workers/making.py:1: sync is a generator; ",
        ),
    ],
)
def test_a_worker_that_cant_be_called_is_told_where(
    make_project: MakeProject, text: str, expected: str
) -> None:
    root = make_project({"thing_operator/workers/making.py": text})
    assert wrong(root) == [expected + "async def sync(res, inputs, ctx)"]


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "import nonesuch\n",
            "1: {failed}: ModuleNotFoundError: No module named 'nonesuch'",
        ),
        ("\ndef sync(res, inputs, ctx:\n", "2: syntax: '(' was never closed"),
        (
            "\n\n1 / 0\n",
            "3: {failed}: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_an_import_that_fails_is_told_with_file_and_line(
    make_project: MakeProject, text: str, expected: str
) -> None:
    root = make_project({"thing_operator/workers/making.py": text})
    failed = "importing thing_operator.workers.making failed"
    expected = expected.format(failed=failed)
    assert wrong(root) == [f"thing_operator/workers/making.py:{expected}"]


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            SPEC.replace("class Spec(BaseSpec)", "class Spec"),
            ["Spec isn't a model of autopilot's; class Spec(autopilot.Spec): ..."],
        ),
        (
            SPEC.replace("class Status(BaseStatus)", "class Other(BaseStatus)"),
            ["Status is missing; class Status(autopilot.Status): ..."],
        ),
        (
            SPEC.replace("seen: int = 0", "seen: int\n    phase: str = ''"),
            [
                "Status.phase: is a field of the runtime's own; rename it",
                "Status.seen: has no default; a new resource's status is empty",
            ],
        ),
        (
            SPEC.replace("size: int = 1", "size: type = int"),
            [
                "Spec: Cannot generate a JsonSchema for core_schema.IsInstanceSchema "
                "(<class 'type'>); use types that JSON has"
            ],
        ),
    ],
)
def test_a_spec_without_the_right_models_is_refused(
    make_project: MakeProject, text: str, expected: list[str]
) -> None:
    root = make_project({"thing_operator/spec.py": text})
    assert wrong(root) == [f"thing_operator/spec.py: {line}" for line in expected]


def test_the_config_map_is_checked_against_the_authors_model(make_project: MakeProject) -> None:
    root = make_project({"autopilot-operator.yaml": "version: 1.0.0\nconfig:\n  limti: 4\n"})
    assert wrong(root) == [
        "autopilot-operator.yaml:3: config.limti: unknown key; did you mean 'limit'?"
    ]


def test_the_config_map_comes_typed(make_project: MakeProject) -> None:
    root = make_project({"autopilot-operator.yaml": "config:\n  limit: 4\n"})
    project, (definition,) = load_definitions(root)
    assert typed_config(definition, project.config).model_dump() == {"limit": 4}
    with pytest.raises(InvalidInput, match=r"config\.other"):
        typed_config(definition, OperatorConfig(config={"other": 1}))


def test_without_a_model_the_config_map_is_free(make_project: MakeProject) -> None:
    spec = SPEC.partition("class Config")[0]
    root = make_project(
        {"thing_operator/spec.py": spec, "autopilot-operator.yaml": "config: {any: [1]}\n"}
    )
    project, (definition,) = load_definitions(root)
    assert definition.config is FreeConfig
    assert typed_config(definition, project.config).model_extra == {"any": [1]}


def test_edited_files_are_seen_when_asked_for(make_project: MakeProject) -> None:
    root = make_project()
    project = load(root)
    (before,) = definitions(project)
    (again,) = definitions(project)
    assert before.spec is again.spec
    (root / "thing_operator/spec.py").write_text(SPEC.replace("size", "mass"))
    (after,) = definitions(project, fresh=True)
    assert "mass" in after.spec.model_fields


def test_importing_leaves_no_bytecode_behind(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    root = make_project()
    load_definitions(root)
    assert not list(root.rglob("__pycache__"))
    assert sys.dont_write_bytecode is False


def test_the_configuration_may_lie_elsewhere(make_project: MakeProject, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted.yaml"
    mounted.write_text("logLevel: Debug\n")
    project = load(make_project(), environ={"AUTOPILOT_OPERATOR_CONFIG": str(mounted)})
    assert project.config.log_level == "Debug"
    assert project.config_path == mounted


def test_both_files_are_reported_together(make_project: MakeProject) -> None:
    root = make_project(
        {
            "autopilot.yaml": AUTOPILOT_YAML.replace("kind: Thing", "kind: thing"),
            "autopilot-operator.yaml": "logLevel: Loud\n",
        }
    )
    assert [line.partition(":")[0] for line in wrong(root)] == [
        "autopilot-operator.yaml",
        "autopilot.yaml",
    ]
