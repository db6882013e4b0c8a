"""A state machine as a picture: Mermaid's `stateDiagram-v2`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transitions.extensions import GraphMachine

from autopilot.machine.table import PhaseMachine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from autopilot.machine.table import PhaseNode

_TRIGGER = "to"
_STYLING = ("Class ", "classDef ")


class _Subject:
    """The graph machine draws nothing without a model."""


def mermaid(phases: Sequence[PhaseNode], *, title: str = "") -> str:
    """Draw phases and their transitions.

    An arrow leads from `[*]` to the initial phase and from each final one to it; descriptions
    stand below the names. The text ends with a newline.

    Raises:
        ValueError: There is no phase.
    """
    if not phases:
        raise ValueError("there is no phase to draw")
    table = PhaseMachine(phases)
    machine = GraphMachine(
        model=_Subject(),
        states=[node.name for node in table.nodes],
        transitions=[
            {"trigger": _TRIGGER, "source": node.name, "dest": target}
            for node in table.nodes
            for target in table.targets(node.name)
        ],
        initial=next((node.name for node in table.nodes if node.initial), table.nodes[0].name),
        auto_transitions=False,
        graph_engine="mermaid",
        title=title,
    )
    graph: Any = machine.get_combined_graph()
    drawn = str(graph.source).splitlines()
    plain = [line.rstrip() for line in drawn if not line.lstrip().startswith(_STYLING)]
    body = [line.removesuffix(f": {_TRIGGER}") for line in plain[3:] if line]
    heading = ["---", f"title: {title}", "---"] if title else []
    return "\n".join([*heading, *body, *_additions(table.nodes)]) + "\n"


def _additions(nodes: Iterable[PhaseNode]) -> Iterable[str]:
    for node in nodes:
        if node.description:
            yield f"  {node.name} : {' '.join(node.description.split()).replace(':', ' -')}"
        if node.final:
            yield f"  {node.name} --> [*]"
