import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopilot.machine.diagram import mermaid
from autopilot.machine.table import PhaseMachine, PhaseNode

CANARY = (
    PhaseNode("Initializing", initial=True, transitions=("Waiting",), description="sets up: all"),
    PhaseNode("Waiting", transitions=("Evaluating",)),
    PhaseNode("Evaluating", transitions=("Promoting", "RollBack")),
    PhaseNode("Promoting", transitions=("Waiting",)),
    PhaseNode("RollBack", transitions=("Waiting",)),
)


def test_only_declared_transitions_are_legal() -> None:
    machine = PhaseMachine(CANARY)
    declared = {(node.name, to) for node in CANARY for to in node.transitions or ()}
    names = [node.name for node in CANARY]
    for pair in itertools.product(names, names):
        assert machine.legal(*pair) == (pair in declared)
    assert machine.targets("Evaluating") == ("Promoting", "RollBack")
    assert machine.problems() == ()


def test_a_phase_that_says_nothing_may_go_anywhere_but_to_itself() -> None:
    machine = PhaseMachine([PhaseNode("A", initial=True), PhaseNode("B"), PhaseNode("C")])
    assert machine.targets("A") == ("B", "C")
    assert machine.legal("B", "A")
    assert not machine.legal("A", "A")


def test_nothing_leaves_a_final_phase() -> None:
    machine = PhaseMachine([PhaseNode("A", initial=True), PhaseNode("Z", final=True)])
    assert machine.targets("Z") == ()
    assert not machine.legal("Z", "A")


def test_names_that_are_not_there_are_never_legal() -> None:
    machine = PhaseMachine(CANARY)
    assert not machine.legal("Nowhere", "Waiting")
    assert not machine.legal("Waiting", "Nowhere")


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([PhaseNode("A"), PhaseNode("B")], "exactly one phase is initial, not 0"),
        ([PhaseNode("A", initial=True), PhaseNode("B", initial=True)], "not 2"),
        ([PhaseNode("A", initial=True), PhaseNode("A")], "A is there twice"),
        ([PhaseNode("A", initial=True, transitions=("X",))], "A goes to X, which isn't there"),
        (
            [PhaseNode("A", initial=True, transitions=()), PhaseNode("B")],
            "phase B can't be reached",
        ),
        (
            [PhaseNode("A", initial=True), PhaseNode("Z", final=True, transitions=("A",))],
            "Z is final, so it goes nowhere",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(nodes: list[PhaseNode], words: str) -> None:
    assert any(words in problem for problem in PhaseMachine(nodes).problems())


@st.composite
def tables(draw: st.DrawFn) -> list[PhaseNode]:
    names = [f"P{n}" for n in range(draw(st.integers(1, 6)))]
    some = st.none() | st.lists(st.sampled_from(names), unique=True).map(tuple)
    return [PhaseNode(name, initial=name == "P0", transitions=draw(some)) for name in names]


@given(tables())
def test_reachable_and_unreachable_are_all_there_is(nodes: list[PhaseNode]) -> None:
    machine = PhaseMachine(nodes)
    ways = {node.name: set(machine.targets(node.name)) for node in nodes}
    reached = {"P0"}
    for _ in nodes:
        reached |= set().union(*(ways[name] for name in reached))
    assert set(machine.unreachable()) == set(ways) - reached
    for source, targets in ways.items():
        assert all(machine.legal(source, target) for target in targets)


def test_a_diagram_marks_where_it_begins_and_ends() -> None:
    nodes = [
        PhaseNode("Begin", initial=True, transitions=("End",), description="sets up: all"),
        PhaseNode("End", final=True),
    ]
    assert mermaid(nodes, title="Flight") == (
        "---\n"
        "title: Flight\n"
        "---\n"
        "stateDiagram-v2\n"
        "  direction LR\n"
        '  state "Begin" as Begin\n'
        '  state "End" as End\n'
        "  Begin --> End\n"
        "  [*] --> Begin\n"
        "  Begin : sets up - all\n"
        "  End --> [*]\n"
    )


def test_every_transition_is_drawn_once() -> None:
    drawn = mermaid(CANARY)
    arrows = [line.strip() for line in drawn.splitlines() if "-->" in line]
    assert len(arrows) == len(set(arrows)) == 7
    assert drawn.startswith("stateDiagram-v2\n")


def test_there_is_nothing_to_draw_without_phases() -> None:
    with pytest.raises(ValueError, match="no phase"):
        mermaid([])
