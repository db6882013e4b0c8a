"""init, generate, validate and graph from the outside: output, errors, exit codes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import yaml
from console import autopilot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blank project, not to be changed."""
    place = tmp_path_factory.mktemp("fresh")
    done = autopilot("init", "note", "--kind", "Note", cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "note"


@pytest.fixture
def project(fresh: Path, tmp_path: Path) -> Path:
    """A blank project of the test's own."""
    return shutil.copytree(fresh, tmp_path / "note")


def test_init_where_nothing_can_be_made_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = autopilot("init", "file/note", "--kind", "Note", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "DIR: file/note can't be made: File exists\n"


def test_a_name_that_is_too_long_is_no_traceback(tmp_path: Path) -> None:
    done = autopilot("validate", "a" * 300, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"{'a' * 300}: File name too long\n"


def test_a_demo_that_could_not_write_its_record_does_not_begin(tmp_path: Path) -> None:
    done = autopilot("demo", "canary", "--json", "nowhere/record.json", cwd=tmp_path)
    assert done.returncode == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in done.stderr


def test_init_lists_what_it_wrote_and_the_next_three_commands(tmp_path: Path) -> None:
    done = autopilot("init", "my note", "--kind", "Note", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  my note/autopilot.yaml\n" in done.stdout
    *_, change, test, run = done.stdout.splitlines()
    assert change == "  cd 'my note'"
    assert test.startswith("  python -m pytest ")
    assert run.startswith("  autopilot run ")
    assert len(list((tmp_path / "my note").rglob("*.py"))) > 8


def test_init_refuses_with_every_reason_on_stderr_and_exit_code_2(tmp_path: Path) -> None:
    done = autopilot("init", "x", "--kind", "note", "--group", "g", "--version", "1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 3
    assert list(tmp_path.iterdir()) == []


def test_generate_says_that_all_is_up_to_date(project: Path) -> None:
    done = autopilot("generate", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "11 generated files are up to date\n"


def test_generate_check_fails_and_names_what_is_stale(project: Path) -> None:
    path = project / "autopilot.yaml"
    path.write_text(path.read_text().replace("outputs: [configmaps]", "outputs: [jobs]"))
    done = autopilot("generate", "--check", "--diff", str(project), cwd=project.parent)
    assert done.returncode == 1
    assert "stale deploy/rbac.yaml\n" in done.stdout
    assert "+    jobs: Sequence" in done.stdout
    assert done.stderr == "run `autopilot generate`\n"
    assert autopilot("generate", cwd=project).stdout == (
        "wrote deploy/rbac.yaml\nwrote note_operator/generated/outputs.py\n"
    )
    assert autopilot("generate", "--check", cwd=project).returncode == 0


def test_generate_outside_of_a_project_exits_with_2(tmp_path: Path) -> None:
    done = autopilot("generate", cwd=tmp_path)
    assert done.returncode == 2
    assert "no autopilot.yaml in" in done.stderr


def test_validate_is_short_where_all_is_well(project: Path) -> None:
    done = autopilot("validate", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ".: note-operator: Note (3 phases): ok\n"


def break_it(project: Path) -> None:
    path = project / "autopilot.yaml"
    path.write_text(path.read_text().replace("initial: true", "initail: true"))
    (project / "autopilot-operator.yaml").write_text("logLevel: Loud\n")


def test_validate_lists_everything_that_is_wrong_and_exits_with_2(project: Path) -> None:
    break_it(project)
    done = autopilot("validate", "note", cwd=project.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "note/autopilot-operator.yaml:1: logLevel: 'Loud' is no log level; "
        "one of Debug, Info, Warn, Error, DPanic, Panic, Fatal, or 0 to 6",
        "note/autopilot.yaml:8: phases: no phase is initial; "
        "add `initial: true` to exactly one, such as Initializing",
        "note/autopilot.yaml:12: phases[0].initail: unknown key; did you mean 'initial'?",
    ]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_validate_answers_scripts(project: Path, form: str) -> None:
    assert yaml.safe_load(autopilot("validate", "-o", form, cwd=project).stdout) == {
        "valid": True,
        "problems": [],
        "notes": [],
    }
    break_it(project)
    done = autopilot("validate", "-o", form, cwd=project)
    assert (done.returncode, done.stderr) == (2, "")
    found = json.loads(done.stdout) if form == "json" else yaml.safe_load(done.stdout)
    assert found["valid"] is False
    assert found["problems"][0] == {
        "file": "autopilot-operator.yaml",
        "line": 1,
        "path": "logLevel",
        "message": "'Loud' is no log level",
        "hint": "one of Debug, Info, Warn, Error, DPanic, Panic, Fatal, or 0 to 6",
    }


def test_validate_takes_single_files_of_both_formats(project: Path) -> None:
    other = project.parent / "other.yaml"
    other.write_text("kind: A\napiVersion: example.io/v1\noperatorName: a-operator\nphases: []\n")
    config = project / "autopilot-operator.yaml"
    done = autopilot("validate", str(config), str(other), cwd=project.parent)
    assert done.returncode == 2
    assert done.stderr == "other.yaml:4: phases: there is no phase; declare at least one\n"
    assert autopilot("validate", str(config), cwd=project.parent).returncode == 0


def test_validate_of_a_path_that_isnt_there_exits_with_2(tmp_path: Path) -> None:
    done = autopilot("validate", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nowhere: isn't there\n")


def test_validate_reports_a_worker_that_cant_be_imported(project: Path) -> None:
    (project / "note_operator/workers/processing.py").write_text("import nonesuch\n")
    done = autopilot("validate", cwd=project)
    assert done.returncode == 2
    assert done.stderr.startswith("note_operator/workers/processing.py:1: importing note_operator")


def test_validate_notes_what_is_only_for_go(project: Path) -> None:
    with (project / "autopilot.yaml").open("a") as file:
        file.write("customParameters:\n- {lowerName: a, singleName: A, package: x}\n")
    done = autopilot("validate", cwd=project)
    assert done.returncode == 0
    assert done.stderr.startswith("note: autopilot.yaml:")
    assert done.stderr.endswith("importPrefix and package are for Go; they are ignored\n")


def test_validate_notes_what_is_stale(project: Path) -> None:
    path = project / "autopilot.yaml"
    path.write_text(path.read_text().replace("outputs: [configmaps]", "outputs: [jobs]"))
    done = autopilot("validate", cwd=project)
    assert done.returncode == 0
    assert done.stderr == (
        "note: deploy/rbac.yaml and 1 more isn't up to date; run `autopilot generate`\n"
    )


def test_validate_refuses_a_model_that_has_no_schema(project: Path) -> None:
    path = project / "note_operator/spec.py"
    path.write_text(path.read_text().replace('note: str = ""', "note: str | list[str] = ''"))
    done = autopilot("validate", cwd=project)
    assert done.returncode == 2
    assert done.stderr == (
        "note_operator/spec.py:15: Spec.note: a union (string | array) has no structural schema; "
        "use one type, or a map with one optional field for each\n"
    )


def test_graph_draws_the_phases(project: Path) -> None:
    done = autopilot("graph", cwd=project)
    assert done.returncode == 0
    assert "stateDiagram-v2" in done.stdout
    assert "Initializing --> Processing" in done.stdout
    assert "[*] --> Initializing" in done.stdout
    assert "Finished --> [*]" in done.stdout


def test_graph_needs_no_worker_to_be_importable(project: Path) -> None:
    (project / "note_operator/workers/processing.py").write_text("import nonesuch\n")
    assert autopilot("graph", "-o", "mermaid", cwd=project).returncode == 0


PLAIN = """
from pydantic import BaseModel

from autopilot import Model


class Deep(BaseModel):
    min_requests: int = 1


class Fine(BaseModel):
    word: str = ""


class Good(Model):
    max_rate: float = 1
    deep: dict[str, list[Deep] | None] = {}


class Spec(BaseSpec):
    good: Good = Good()
    fine: Fine | None = None
"""


@pytest.mark.parametrize("verb", ["generate", "validate"])
def test_a_nested_model_that_is_no_model_of_autopilots_is_named(project: Path, verb: str) -> None:
    spec = project / "note_operator/spec.py"
    head, _, _ = spec.read_text().partition("class Spec")
    rest = "\n\nclass Status(BaseStatus):\n    pass\n\n\nclass Config(BaseConfig):\n    pass\n"
    spec.write_text(head + PLAIN + rest)
    done = autopilot(verb, cwd=project)
    notes = [line for line in done.stderr.splitlines() if "plain pydantic" in line]
    assert len(notes) == 1, done.stderr
    assert "note_operator/spec.py: Deep is a plain pydantic model: min_requests stays" in notes[0]
    assert "derive it from autopilot.Model" in notes[0]
