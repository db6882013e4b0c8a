"""Rules that were written to hurt: refused or bounded, quickly, with messages that can be read."""

import time
from pathlib import Path

import pytest

from autopilot.rules.check_files import Checked

HEAD = (
    "apiVersion: autopilot.mesh/v1alpha1\nkind: Rule\nmetadata: {name: b, namespace: s}\n"
    "spec:\n  target: {service: web}\n"
)
ALONE = "  phases: [{name: A, initial: true}]\n"


def query(text: str) -> str:
    return f"{HEAD}  signals: {{q: {{query: '{text}'}}}}\n{ALONE}"


def when(text: str) -> str:
    way = f"{{to: B, when: '{text}'}}"
    return (
        f"{HEAD}  signals: {{r: {{ready: w}}}}\n"
        f"  phases: [{{name: A, initial: true, transitions: [{way}]}}, {{name: B}}]\n"
    )


def action(text: str) -> str:
    return f"{HEAD}  phases: [{{name: A, initial: true, actions: [{text}]}}]\n"


BOMBS = {
    "a duration of 100,000 digits": f"{HEAD}  interval: {'1' * 100_000}x\n",
    "a number of 4,000 digits": action(f"{{shed: {{share: {'9' * 4000}}}}}"),
    "a number of 5,000 digits": f"{HEAD}  minRequests: {'9' * 5000}\n",
    "a number beyond floats": f"{HEAD}  minRequests: 1e999\n",
    "a number that is none": f"{HEAD}  minRequests: .nan\n",
    "a share that is no number": action("{shed: {share: nan%}}"),
    "a name for backtracking": f"{HEAD}  phases: [{{name: {'a-' * 100_000}!}}]\n",
    "a word of 500,000 letters": f"{HEAD}  mode: {'x' * 500_000}\n",
    "a query of 200,000 letters": query("x" * 200_000),
    "a template of ifs": query("{% if a %}" * 1500),
    "a template of filters": query(f"[[ service{' | lower' * 1900} ]]"),
    "a template that reckons": query("[[ 9**9**9**9 ]]"),
    "a template that calls": query("[[ namespace.__class__.__mro__ ]]"),
    "a template that repeats": query("{% for a in range(10000000) %}x{% endfor %}"),
    "a long condition": when(" && ".join(["r > 1"] * 300)),
    "a deep condition": when("!" * 1500 + "r"),
    "a condition of parentheses": when("(" * 900 + "r > 1" + ")" * 900),
    "a condition that calls": when('matches("(a+)+$")'),
    "3,000 phases": f"{HEAD}  phases: [{','.join(f'{{name: P{n}}}' for n in range(3000))}]\n",
    "5,000 signals": f"{HEAD}  signals: {{{','.join(f's{n}: {{ready: w}}' for n in range(5000))}}}",
    "5,000 errors": f"{HEAD}  phases: [{','.join(['{nam: P}'] * 5000)}]\n",
    "a notification of brackets": action("{notify: {secret: x, text: '" + "[[" * 1900 + "'}}"),
    "an alias that contains itself": "a: &a [*a]\n",
    "a merge of itself": "a: &a {<<: *a}\n",
    "half a character": f'{HEAD}  mode: "\\ud800"\n',
    "nested lists": "[" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon_and_in_few_words(name: str) -> None:
    began = time.process_time()
    checked = Checked()
    checked.text(BOMBS[name], "bomb.yaml")
    assert 1 <= len(checked.problems) <= 100
    assert all(len(str(problem)) < 1500 for problem in checked.problems)
    assert time.process_time() - began < 20


def test_the_largest_rule_that_is_allowed_is_compiled_soon() -> None:
    phases = []
    for number in range(30):
        ways = ", ".join(
            f"{{to: P{(number + step) % 30}, when: r > {step}}}" for step in range(1, 30)
        )
        initial = str(number == 0).lower()
        phases.append(f"{{name: P{number}, initial: {initial}, transitions: [{ways}]}}")
    began = time.process_time()
    checked = Checked()
    checked.text(
        f"{HEAD}  signals: {{r: {{ready: w}}}}\n  phases: [{', '.join(phases)}]\n", "large.yaml"
    )
    assert checked.problems == []
    assert time.process_time() - began < 20


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text("#" * 1_000_001, encoding="utf-8")
    checked = Checked()
    checked.file(file)
    assert [problem.message for problem in checked.problems] == ["too large"]
