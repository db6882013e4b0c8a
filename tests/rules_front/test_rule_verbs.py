"""`autopilot rule validate`, `rule expand`, `crds` and `schema`, as typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from autopilot.rules.model import RuleDocument
from autopilot.rules.testfile import RuleTestFile

if TYPE_CHECKING:
    from pydantic import BaseModel

COMMAND = Path(sys.executable).with_name("autopilot")
EXAMPLES = Path(__file__).parents[2] / "examples" / "rules"
BROKEN = Path(__file__).parent / "broken"


def autopilot(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(cwd), "COLUMNS": "100"}
    return subprocess.run(
        [str(COMMAND), *arguments],
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_a_folder_of_examples_is_valid(tmp_path: Path) -> None:
    done = autopilot("rule", "validate", str(EXAMPLES), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode().splitlines()
    assert len(said) >= 6 and all(line.endswith(": ok") for line in said)


def test_every_error_of_every_file_is_said_at_once_with_exit_code_2(tmp_path: Path) -> None:
    names = ["unknown-signal", "weights"]
    files = [str(BROKEN / f"{name}.yaml") for name in names]
    done = autopilot("rule", "validate", *files, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    told = done.stderr.decode().replace(f"{BROKEN}/", "").splitlines()
    expected = [(BROKEN / f"{name}.txt").read_text().splitlines() for name in names]
    assert told == [line for each in expected for line in each]


def test_standard_input_is_checked_too_and_scripts_get_json(tmp_path: Path) -> None:
    text = (BROKEN / "failover-to-itself.yaml").read_bytes()
    done = autopilot("rule", "validate", "-", "-o", "json", cwd=tmp_path, stdin=text)
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert not found["valid"]
    (problem,) = found["problems"]
    assert (problem["file"], problem["line"]) == ("<stdin>", 7)
    assert problem["path"] == "spec.failover.to"


def test_other_kinds_are_passed_over_with_a_note_and_tests_in_a_folder_silently(
    tmp_path: Path,
) -> None:
    rule = (EXAMPLES / "failover.yaml").read_text()
    other = "apiVersion: v1\nkind: Service\nmetadata: {name: checkout}\n---\n"
    (tmp_path / "all.yaml").write_text(other + rule)
    (tmp_path / "all_test.yaml").write_text("rule: all.yaml\n")
    (tmp_path / ".hidden.yaml").write_text("broken: [")
    done = autopilot("rule", "validate", ".", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"all.yaml:1: Service isn't a Rule of autopilot.mesh; skipped" in done.stderr


def test_a_file_of_tests_that_is_named_beside_its_rule_is_passed_over(tmp_path: Path) -> None:
    files = [str(EXAMPLES / name) for name in ("failover.yaml", "failover_test.yaml")]
    done = autopilot("rule", "validate", *files, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"failover_test.yaml:1: holds tests, for `autopilot rule test`; skipped" in done.stderr


def test_a_verb_that_is_mistyped_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    for arguments, meant in ((["controler"], "controller"), (["rule", "tets"], "test")):
        done = autopilot(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert f"Did you mean '{meant}'?" in done.stderr.decode()


@pytest.mark.parametrize("named", ["folder", "checkout", "rul/checkout"])
def test_a_plan_of_what_is_neither_file_nor_rule_asks_no_cluster(
    tmp_path: Path, named: str
) -> None:
    (tmp_path / "folder").mkdir()
    done = autopilot("rule", "plan", named, cwd=tmp_path)
    assert done.returncode == 2
    assert b"RULE is a file, or rule/NAME in the cluster" in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "isn't text in UTF-8"),
        (b"a" * 1_000_001, "too large"),
        (b"", "no rule there"),
        (b"- 1\n", "is no map"),
        (b"Kind: Rule\napiVersion: autopilot.mesh/v1alpha1\n", "did you mean it by 'Kind'?"),
    ],
)
def test_what_holds_no_rule_is_told_so(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "it.yaml").write_bytes(content)
    for arguments, stdin in ((["it.yaml"], b""), (["-"], content)):
        done = autopilot("rule", "validate", *arguments, cwd=tmp_path, stdin=stdin)
        assert done.returncode == 2
        assert said in done.stderr.decode()


def test_a_file_that_isn_t_there_is_an_error_and_the_others_are_checked(tmp_path: Path) -> None:
    good = str(EXAMPLES / "failover.yaml")
    done = autopilot("rule", "validate", "nowhere.yaml", good, cwd=tmp_path)
    assert done.returncode == 2
    assert b"nowhere.yaml: No such file" in done.stderr
    assert done.stdout.endswith(b": ok\n")


def test_what_is_expanded_is_valid_and_expands_to_itself(tmp_path: Path) -> None:
    done = autopilot("rule", "expand", str(EXAMPLES / "failover.yaml"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    body = yaml.safe_load(done.stdout)
    assert [phase["name"] for phase in body["spec"]["phases"]] == ["Normal", "Standby", "Trial"]
    assert "failover" not in body["spec"]
    again = autopilot("rule", "expand", "-", cwd=tmp_path, stdin=done.stdout)
    assert again.stdout == done.stdout
    checked = autopilot("rule", "validate", "-", cwd=tmp_path, stdin=done.stdout)
    assert checked.returncode == 0, checked.stderr


def test_what_is_broken_is_not_expanded(tmp_path: Path) -> None:
    done = autopilot("rule", "expand", str(BROKEN / "shares.yaml"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"0.5 is less than one percent" in done.stderr


def test_the_crds_are_printed_to_be_applied(tmp_path: Path) -> None:
    crds = list(yaml.safe_load_all(autopilot("crds", cwd=tmp_path).stdout))
    names = [crd["metadata"]["name"] for crd in crds]
    assert names == [f"{kind}.autopilot.mesh" for kind in ("rules", "experiments", "reports")]
    listed = json.loads(autopilot("crds", "-o", "json", cwd=tmp_path).stdout)
    assert (listed["kind"], listed["items"]) == ("List", crds)


@pytest.mark.parametrize(("kind", "model"), [("rule", RuleDocument), ("rule-test", RuleTestFile)])
def test_the_schema_for_editors_knows_every_field_with_a_description(
    tmp_path: Path, kind: str, model: type[BaseModel]
) -> None:
    schema = json.loads(autopilot("schema", kind, cwd=tmp_path).stdout)
    assert set(schema["properties"]) == {info.alias for info in model.model_fields.values()}
    bare = [
        f"{part}.{name}"
        for part, each in schema["$defs"].items()
        for name, field in each.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []
    assert "x-kubernetes" not in json.dumps(schema)


def test_help_of_a_group_lists_its_verbs_without_importing_them(tmp_path: Path) -> None:
    done = autopilot("rule", "--help", cwd=tmp_path)
    assert {b"validate", b"expand"} <= set(done.stdout.split())
