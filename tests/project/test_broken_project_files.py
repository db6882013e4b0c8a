"""What is wrong in autopilot.yaml is said with file, line, place and remedy, all at once."""

from __future__ import annotations

import pytest

from autopilot.project.load import parse

HEAD = "kind: Canary\napiVersion: example.io/v1\noperatorName: canary-operator\n"
PHASE = "phases:\n- name: Waiting\n  initial: true\n"

CASES: dict[str, tuple[str, list[str]]] = {
    "an empty file": (
        "",
        ["f:1: is empty; write at least kind, apiVersion, operatorName and phases"],
    ),
    "comments only": (
        "# nothing\n",
        ["f:1: is empty; write at least kind, apiVersion, operatorName and phases"],
    ),
    "a list": ("- a\n- b\n", ["f:1: is no map; write `key: value` lines"]),
    "a word": ("hello\n", ["f:1: is no map; write `key: value` lines"]),
    "an open bracket": (
        "kind: [A\nb: c\n",
        ["f:2: not YAML: while parsing a flow sequence: expected ',' or ']', but got ':'"],
    ),
    "a tab": (
        "kind: A\n\tapiVersion: b\n",
        [
            "f:2: not YAML: found character '\\t' that cannot start any token "
            "(YAML indents with spaces, and `@` or a backtick wants quotes)"
        ],
    ),
    "two values in a line": (
        "kind: A: B\n",
        ["f:1: not YAML: mapping values are not allowed here"],
    ),
    "an alias without an anchor": (
        "kind: *a\n",
        ["f:1: not YAML: found undefined alias 'a'"],
    ),
    "a key that is there twice": (
        HEAD + PHASE + "kind: Other\n",
        ["f:7: kind: the key is there twice (first in line 1); keep one"],
    ),
    "everything missing": (
        "enableFinalizer: true\n",
        [
            "f:1: apiVersion: is missing; it is required",
            "f:1: kind: is missing; it is required",
        ],
    ),
    "an unknown key with a near one": (
        HEAD + PHASE + "enableFinaliser: true\n",
        ["f:7: enableFinaliser: unknown key; did you mean 'enableFinalizer'?"],
    ),
    "snake case": (
        "kind: Canary\napi_version: example.io/v1\noperatorName: c-operator\n" + PHASE,
        [
            "f:1: apiVersion: is missing; it is required",
            "f:2: api_version: unknown key; did you mean 'apiVersion'?",
        ],
    ),
    "an unknown key without a near one": (
        HEAD + "phases:\n- name: Waiting\n  initial: true\n  zzz: 1\n",
        [
            "f:7: phases[0].zzz: unknown key; known: inputs, outputs, actions, name, "
            "description, initial, final, transitions"
        ],
    ),
    "an unknown key in an input": (
        HEAD + PHASE + "  inputs: [{kind: pods, selecter: a=b}]\n",
        ["f:7: phases[0].inputs[0].selecter: unknown key; did you mean 'selector'?"],
    ),
    "Off as a kind": (
        "kind: Off\napiVersion: example.io/v1\noperatorName: c-operator\n" + PHASE,
        ['f:1: kind: Off is read as false; quote it: "Off"'],
    ),
    "No as a phase": (
        HEAD + "phases:\n- name: No\n  initial: true\n",
        ['f:5: phases[0].name: No is read as false; quote it: "No"'],
    ),
    "Yes in a list": (
        HEAD + PHASE + "  outputs: [pods, yes]\n",
        ['f:7: phases[0].outputs[1]: yes is read as true; quote it: "yes"'],
    ),
    "a number as a name": (
        "kind: Canary\napiVersion: example.io/v1\noperatorName: 12\n" + PHASE,
        ['f:3: operatorName: 12 is read as a number; quote it: "12"'],
    ),
    "an empty value": (
        "kind:\napiVersion: example.io/v1\noperatorName: c-operator\n" + PHASE,
        ["f:1: kind: is empty; write a text, or leave the key out"],
    ),
    "a text where a list belongs": (
        HEAD + "phases: Waiting\n",
        ["f:4: phases: is the text 'Waiting'; a list is wanted"],
    ),
    "a text where a map belongs": (
        HEAD + "phases: [Waiting]\n",
        ["f:4: phases[0]: is the text 'Waiting'; a map is wanted"],
    ),
    "a text where a bool belongs": (
        HEAD + "phases:\n- name: Waiting\n  initial: perhaps\n",
        ["f:6: phases[0].initial: is the text 'perhaps'; true or false is wanted"],
    ),
    "a map where a text belongs": (
        HEAD + "phases:\n- name: {a: b}\n  initial: true\n",
        ["f:5: phases[0].name: is a map; a text is wanted"],
    ),
    "a bare transition": (
        HEAD + PHASE + "  transitions: [Waiting]\n",
        ["f:7: phases[0].transitions[0]: a transition is a map; write `- to: Waiting`"],
    ),
    "no phases": (
        HEAD,
        ["f:1: phases: there is no phase; declare at least one"],
    ),
    "no initial phase": (
        HEAD + "phases:\n- name: Waiting\n- name: Ready\n",
        ["f:4: phases: no phase is initial; add `initial: true` to exactly one, such as Waiting"],
    ),
    "two initial phases": (
        HEAD + PHASE + "- name: Ready\n  initial: true\n",
        [
            "f:8: phases[1].initial: a second initial phase (the first is Waiting); "
            "exactly one phase is initial"
        ],
    ),
    "a phase that is declared twice": (
        HEAD + PHASE + "- name: Waiting\n",
        [
            "f:7: phases[1].name: phase 'Waiting' is declared twice (first in phases[0]); "
            "each needs a file of its own: workers/waiting.py"
        ],
    ),
    "phases that would share a file": (
        HEAD + "phases:\n- name: RollBack\n  initial: true\n- name: Roll_Back\n- name: ROLLBack\n",
        [
            "f:7: phases[1].name: 'Roll_Back' is no name for a phase; CamelCase, like RollBack",
            "f:8: phases[2].name: phase 'ROLLBack' clashes with 'RollBack' (first in phases[0]); "
            "each needs a file of its own: workers/roll_back.py",
        ],
    ),
    "a phase called like the finalizer": (
        HEAD + "phases:\n- name: Finalizer\n  initial: true\n",
        [
            "f:5: phases[0].name: a phase can't be called 'Finalizer'; "
            "workers/finalizer.py is the finalizer's"
        ],
    ),
    "a phase in lower case": (
        HEAD + "phases:\n- name: waiting\n  initial: true\n",
        ["f:5: phases[0].name: 'waiting' is no name for a phase; CamelCase, like RollBack"],
    ),
    "a transition to nowhere": (
        HEAD + PHASE + "  transitions: [{to: Raedy}, {to: Ready}]\n- name: Ready\n",
        ["f:7: phases[0].transitions[0].to: no phase 'Raedy'; did you mean 'Ready'?"],
    ),
    "a transition that is there twice": (
        HEAD + PHASE + "  transitions: [{to: Ready}, {to: Ready}]\n- name: Ready\n",
        ["f:7: phases[0].transitions[1].to: 'Ready' is there twice; keep one"],
    ),
    "a phase that can't be reached": (
        HEAD + PHASE + "  transitions: [{to: Ready}]\n- name: Ready\n  final: true\n- name: Lost\n",
        [
            "f:10: phases[2].name: phase 'Lost' can't be reached from 'Waiting'; "
            "add `- to: Lost` to the transitions of a phase that can"
        ],
    ),
    "what an action makes, as an output": (
        HEAD + PHASE + "  outputs: [virtualservices]\n- name: Ready\n  actions: [split]\n",
        [
            "f:7: phases[0].outputs[0]: virtualservices are made by the action split; "
            "leave them out of the outputs, or split out of the actions"
        ],
    ),
    "a final phase that works": (
        HEAD
        + PHASE
        + "- name: Done\n  final: true\n  inputs: [pods]\n  outputs: [pods]\n"
        + "  actions: [split]\n  transitions: [{to: Waiting}]\n",
        [
            f"f:{line}: phases[1].{key}: the final phase Done has {key}; "
            "nothing runs in a final phase: remove them, or `final`"
            for line, key in (
                (9, "inputs"),
                (10, "outputs"),
                (11, "actions"),
                (12, "transitions"),
            )
        ],
    ),
    "an unknown input": (
        HEAD + PHASE + "  inputs: [deployment, wombats]\n",
        [
            "f:7: phases[0].inputs[0]: unknown input 'deployment'; did you mean 'deployments'?",
            "f:7: phases[0].inputs[1]: unknown input 'wombats'; "
            "a kind that isn't known by name is declared in customParameters",
        ],
    ),
    "an unknown output": (
        HEAD + PHASE + "  outputs:\n  - virtualservice\n",
        [
            "f:8: phases[0].outputs[0]: unknown output 'virtualservice'; "
            "did you mean 'virtualservices'?"
        ],
    ),
    "metrics as an output": (
        HEAD + PHASE + "  outputs: [metrics]\n",
        ["f:7: phases[0].outputs[0]: metrics can't be an output; they are an input only"],
    ),
    "narrowed metrics": (
        HEAD + PHASE + "  inputs: [{kind: metrics, selector: a=b}]\n",
        ["f:7: phases[0].inputs[0]: metrics can't be narrowed; their queries say what they read"],
    ),
    "an input that is there twice": (
        HEAD + PHASE + "  inputs: [pods, {kind: pods, selector: a=b}]\n",
        ["f:7: phases[0].inputs[1]: 'pods' is there twice; keep one"],
    ),
    "all secrets": (
        HEAD + PHASE + "  inputs: [secrets]\n",
        ["f:7: phases[0].inputs[0]: secrets are read only by name; {kind: secrets, name: NAME}"],
    ),
    "a bad selector": (
        HEAD + PHASE + "  inputs: [{kind: pods, selector: 'app in web'}]\n",
        [
            "f:7: phases[0].inputs[0].selector: 'app in web' is no label selector; "
            "like app=web,tier!=db"
        ],
    ),
    "a bad namespace": (
        HEAD + PHASE + "  inputs: [{kind: pods, namespace: My_NS}]\n",
        [
            "f:7: phases[0].inputs[0].namespace: 'My_NS' is no namespace; "
            'a name, "*" for all, or nothing for the resource\'s own'
        ],
    ),
    "names and a selector": (
        HEAD + PHASE + "  inputs: [{kind: pods, name: a, selector: b=c}]\n",
        ["f:7: phases[0].inputs[0]: both names and a selector; one of them"],
    ),
    "an unknown action": (
        HEAD + PHASE + "  actions: [splitt]\n",
        ["f:7: phases[0].actions[0]: unknown action 'splitt'; did you mean 'split'?"],
    ),
    "a finalizer that isn't enabled": (
        HEAD + PHASE + "finalizer:\n  inputs: [pods]\n",
        ["f:7: finalizer: is there, but not enabled; add enableFinalizer: true"],
    ),
    "an unknown input of the finalizer": (
        HEAD + PHASE + "enableFinalizer: true\nfinalizer:\n  inputs: [pod]\n",
        ["f:9: finalizer.inputs[0]: unknown input 'pod'; did you mean 'pods'?"],
    ),
    "a kind in lower case": (
        "kind: canary\napiVersion: example.io/v1\noperatorName: c-operator\n" + PHASE,
        ["f:1: kind: 'canary' is no kind; CamelCase, like CanaryDeployment"],
    ),
    "a kind that the SDK needs": (
        "kind: Result\napiVersion: example.io/v1\noperatorName: c-operator\n" + PHASE,
        ["f:1: kind: 'Result' is a name of the SDK; like MyResult"],
    ),
    "no group": (
        "kind: Canary\napiVersion: v1\noperatorName: c-operator\n" + PHASE,
        [
            "f:2: apiVersion: 'v1' has no group that Kubernetes takes; "
            "a domain, a slash, a version: example.io/v1"
        ],
    ),
    "a group of Kubernetes' own": (
        "kind: Canary\napiVersion: apps.k8s.io/v1\noperatorName: c-operator\n" + PHASE,
        [
            "f:2: apiVersion: 'apps.k8s.io' is kept for Kubernetes itself; "
            "a domain of your own: example.io/v1"
        ],
    ),
    "a version without v": (
        "kind: Canary\napiVersion: example.io/1.0\noperatorName: c-operator\n" + PHASE,
        ["f:2: apiVersion: '1.0' is no version; like v1, v1beta1 or v1alpha1"],
    ),
    "no operator name": (
        "kind: Canary\napiVersion: example.io/v1\n" + PHASE,
        ["f:1: operatorName is missing; like canary-operator"],
    ),
    "an operator name in capitals": (
        "kind: Canary\napiVersion: example.io/v1\noperatorName: Canary_Operator\n" + PHASE,
        [
            "f:3: operatorName: 'Canary_Operator' is a name that Kubernetes or Python refuses; "
            "lower-case letters, digits and dashes, a letter first, at most 63: canary-operator"
        ],
    ),
    "an operator name that hides a package": (
        "kind: Canary\napiVersion: example.io/v1\noperatorName: autopilot\n" + PHASE,
        [
            "f:3: operatorName: 'autopilot' would hide a Python package of that name; "
            "like autopilot-operator"
        ],
    ),
    "two names for one operator": (
        HEAD + PHASE + "---\nkind: Other\napiVersion: example.io/v1\noperatorName: x\n" + PHASE,
        [
            "f:10: operatorName: 'x' differs from the first document's; "
            "a project is one operator: canary-operator, or leave it out"
        ],
    ),
    "one kind twice": (
        HEAD + PHASE + "---\nkind: Canary\napiVersion: example.io/v2\n" + PHASE,
        ["f:8: kind: Canary is declared twice; one document for each kind"],
    ),
    "bad custom parameters": (
        HEAD
        + PHASE
        + "customParameters:\n- lowerName: Upstreams\n  singleName: upstream\n"
        + "  pluralName: upstreams\n  apiGroup: Gloo_Solo\n  version: '1'\n",
        [
            "f:8: customParameters[0].lowerName: 'Upstreams' is no plural of a kind; "
            "lower-case letters and digits, like upstreams",
            "f:9: customParameters[0].singleName: 'upstream' isn't spelled as a kind; "
            "CamelCase, like Upstream",
            "f:10: customParameters[0].pluralName: 'upstreams' isn't spelled as a kind; "
            "CamelCase, like Upstreams",
            "f:11: customParameters[0].apiGroup: 'Gloo_Solo' is no API group; like gloo.solo.io",
            "f:12: customParameters[0].version: '1' is no version; like v1 or v1beta1",
        ],
    ),
    "an undeclared query parameter": (
        HEAD + PHASE + "queries:\n- name: load\n  parameters: [Name]\n"
        '  queryTemplate: up{a="{{ .Name }}",b="{{ .Nmae }}",c="[[ zone ]]"}\n',
        [
            "f:10: queries[0].queryTemplate: undeclared parameter 'Nmae'; did you mean 'Name'?",
            "f:10: queries[0].queryTemplate: undeclared parameter 'zone'; "
            "add it to the parameters of load",
        ],
    ),
    "a query parameter in two spellings": (
        HEAD + PHASE + "queries:\n- name: load\n  parameters: [Name, name]\n"
        '  queryTemplate: up{a="{{ Name }}"}\n',
        ["f:9: queries[0].parameters[1]: parameter 'name' is the same as 'Name'; keep one"],
    ),
    "a query that is declared twice": (
        HEAD + PHASE + "queries:\n- {name: load, queryTemplate: up}\n"
        "- {name: load, queryTemplate: up}\n",
        ["f:9: queries[1].name: query 'load' is declared twice; rename one"],
    ),
    "queries that clash in Python": (
        HEAD + PHASE + "queries:\n- {name: my-load, queryTemplate: up}\n"
        "- {name: my_load, queryTemplate: up}\n",
        [
            "f:9: queries[1].name: query 'my_load' is the same as 'my-load' in Python (my_load); "
            "rename one"
        ],
    ),
    "a query without a template": (
        HEAD + PHASE + "queries:\n- name: load\n  queryTemplate: ''\n",
        ["f:9: queries[0].queryTemplate: is empty; write PromQL"],
    ),
    "a query with a bad name": (
        HEAD + PHASE + "queries:\n- name: 1st load\n  queryTemplate: up\n",
        [
            "f:8: queries[0].name: '1st load' is no name for a query; "
            "letters, digits and dashes, a letter first: success-rate"
        ],
    ),
}


@pytest.mark.parametrize("text, expected", CASES.values(), ids=CASES.keys())
def test_a_broken_file_is_told_where_and_how(text: str, expected: list[str]) -> None:
    found = [str(problem) for problem in sorted(parse(text, "f").problems)]
    assert found == expected


def test_problems_of_all_sorts_are_said_at_once_in_the_order_of_the_file() -> None:
    text = (
        "kind: canary\napiVersion: v1\noperatorName: X\nphases:\n- name: A\n  inputs: [foo]\n"
        "- name: A\n  final: true\n  outputs: [pods]\nbogus: 1\n"
    )
    found = sorted(parse(text, "f").problems)
    assert [problem.line for problem in found] == [1, 2, 3, 4, 6, 7, 9, 10]


def test_there_are_enough_broken_files() -> None:
    assert len(CASES) >= 40
