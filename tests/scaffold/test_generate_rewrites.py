"""`generate` rewrites what is ours, begins what is missing, and touches nothing of the author's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from autopilot.base.errors import InvalidInput
from autopilot.project.generate import generate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def project(scaffolded: Callable[[str], Path], tmp_path: Path) -> Path:
    """A blank project of the test's own."""
    return shutil.copytree(scaffolded("blank"), tmp_path / "project")


def content(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file()}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_generating_after_init_changes_nothing(project: Path) -> None:
    before = content(project)
    outcome = generate(project)
    assert outcome.stale == []
    assert content(project) == before


def test_a_generated_file_that_was_edited_is_put_back(project: Path) -> None:
    before = content(project)
    path = project / "note_operator/generated/phases.py"
    path.write_text(path.read_text() + "X = 1\n")
    (project / "deploy/crd.yaml").unlink()
    outcome = generate(project)
    assert outcome.written == ["deploy/crd.yaml", "note_operator/generated/phases.py"]
    assert "-X = 1" in outcome.diffs["note_operator/generated/phases.py"]
    assert content(project) == before


def test_check_says_what_is_stale_and_writes_nothing(project: Path) -> None:
    edit(project / "autopilot.yaml", "outputs: [configmaps]", "outputs: [configmaps, jobs]")
    before = content(project)
    outcome = generate(project, check=True)
    assert outcome.stale == ["deploy/rbac.yaml", "note_operator/generated/outputs.py"]
    assert content(project) == before


def test_a_new_phase_gets_a_worker_once(project: Path) -> None:
    text = "- name: RollBack\n  description: take it all back\n  transitions: [{to: Finished}]\n"
    edit(
        project / "autopilot.yaml",
        "# Nothing runs in a final",
        f"{text}\n# Nothing runs in a final",
    )
    edit(
        project / "autopilot.yaml",
        "[{to: Finished}]\n\n- name: Roll",
        "[{to: RollBack}]\n\n- name: Roll",
    )
    assert "note_operator/workers/roll_back.py" in generate(project, check=True).begun
    outcome = generate(project)
    assert outcome.begun == ["note_operator/workers/roll_back.py"]
    worker = project / "note_operator/workers/roll_back.py"
    assert '"""RollBack: take it all back."""' in worker.read_text()
    worker.write_text("# mine\n")
    assert generate(project).stale == []
    assert worker.read_text() == "# mine\n"


def test_a_finalizer_that_is_enabled_gets_its_file(project: Path) -> None:
    edit(project / "autopilot.yaml", "enableFinalizer: false", "enableFinalizer: true")
    assert generate(project).begun == ["note_operator/workers/finalizer.py"]
    assert "Result.done" in (project / "note_operator/workers/finalizer.py").read_text()


def test_the_crd_follows_the_authors_model(project: Path) -> None:
    edit(project / "note_operator/spec.py", 'note: str = ""', 'remark: str = "hello"')
    assert generate(project).written == ["deploy/crd.yaml"]
    assert "default: hello" in (project / "deploy/crd.yaml").read_text()


def test_manifests_follow_the_configuration(project: Path) -> None:
    config = project / "autopilot-operator.yaml"
    edit(config, 'watchNamespace: ""', "watchNamespace: shop")
    edit(config, 'metricsAddr: ":9091"', 'metricsAddr: ""')
    generate(project)
    deployment = (project / "deploy/deployment.yaml").read_text()
    assert "namespace: shop" in deployment
    assert "Probe" not in deployment
    permissions = yaml.safe_load_all((project / "deploy/rbac.yaml").read_text())
    everywhere = [each for each in permissions if each["kind"] == "ClusterRole"]
    assert [each["metadata"]["name"] for each in everywhere] == ["note-operator-halt"]
    assert "watchNamespace: shop" in (project / "deploy/configmap.yaml").read_text()


def test_the_environment_of_whoever_generates_leaves_no_trace(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACE", "mine")
    monkeypatch.setenv("AUTOPILOT_OPERATOR_CONFIG", "/nowhere")
    assert generate(project).stale == []


def test_a_further_kind_gets_a_package_of_its_own(project: Path) -> None:
    with (project / "autopilot.yaml").open("a") as file:
        file.write("---\nkind: Reminder\napiVersion: example.io/v1\nphases:\n")
        file.write("- name: Ringing\n  initial: true\n")
    assert "note_operator/reminder/spec.py" in generate(project, check=True).begun
    outcome = generate(project)
    assert outcome.begun == [
        "note_operator/reminder/__init__.py",
        "note_operator/reminder/spec.py",
        "note_operator/reminder/workers/__init__.py",
        "note_operator/reminder/workers/ringing.py",
    ]
    assert (project / "deploy/crd.yaml").read_text().count("kind: CustomResourceDefinition") == 2
    assert generate(project).stale == []


def test_a_spec_that_cant_be_imported_leaves_everything_as_it_is(project: Path) -> None:
    (project / "note_operator/spec.py").write_text("import nonesuch\n")
    before = content(project)
    with pytest.raises(InvalidInput, match=r"spec\.py:1: importing note_operator\.spec failed"):
        generate(project)
    assert content(project) == before


def test_a_model_without_a_structural_schema_is_refused_with_its_place(project: Path) -> None:
    edit(
        project / "note_operator/spec.py", 'note: str = ""', "note: list[str] | dict[str, str] = []"
    )
    with pytest.raises(InvalidInput, match=r"Spec\.note: a union \(array \| object\)"):
        generate(project)


def test_no_temporary_file_is_left_behind(project: Path) -> None:
    edit(project / "autopilot.yaml", "outputs: [configmaps]", "outputs: []")
    generate(project)
    assert not [p for p in project.rglob(".*") if p.name not in (".gitignore", ".dockerignore")]
