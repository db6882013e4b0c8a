"""Query templates: Jinja2 cut down to names, filters, constants and `if`.

A template is text that a person wrote for PromQL, with values put in at call time. Each value is
escaped by where it stands: inside quotes so that it can't end them, outside so that it can only be
a duration, a number or a name. There is no way to put a value in raw.

The filter `label` makes a whole string literal where it stands outside quotes:
`service=[[ service | label ]]`; it comes last.

A template is small: so many nodes, so deeply nested, so long a value, so long a query. Beyond that
it is refused before it is compiled or while it is rendered, whatever it was going to do.

Placeholders are `{{ name }}`, Go's `{{ .Name }}`, or `[[ name ]]` for files that Helm or Flux
renders first. A parameter's name is compared without case and underscores.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from autopilot.telemetry import promql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jinja2 import Template

MAX_TEMPLATE = 16_000
MAX_RENDERED = 64_000
MAX_VALUE = 4_000
MAX_NODES = 1_000
MAX_DEPTH = 16
LABEL = "label"
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter,
    nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
_FILTERS = ("default", "lower", "upper", "trim", "regex", LABEL)
_PLACEHOLDER = re.compile(
    r"\{\{-?(?P<braces>[^{}\[\]]*?)-?\}\}|\[\[(?!\[)(?P<brackets>[^{}\[\]]*?)\]\]|\{\{|\[\[(?!\[)"
)
_GO_NAME = re.compile(r"^\s*\.([A-Za-z_]\w*)")


class BadTemplate(ValueError):
    """A template is wrong; the message says how."""


def key(parameter: str) -> str:
    """What two spellings of one parameter have in common: `Namespace`, `namespace`."""
    return parameter.replace("_", "").replace("-", "").casefold()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template that was found good.

    Attributes:
        names: The parameters that it reads, as it spells them.
        template: To render.
    """

    names: frozenset[str]
    template: Template

    def render(self, values: Mapping[str, str]) -> str:
        """Put values in, by parameter in any spelling.

        Raises:
            ValueError: A value can't stand where the template puts it, or is too long.
        """
        by_key = {key(name): value for name, value in values.items()}
        for name, value in values.items():
            if len(value) > MAX_VALUE:
                raise ValueError(f"{name} is longer than {MAX_VALUE} characters")
        found = {name: by_key[key(name)] for name in self.names if key(name) in by_key}
        chunks: list[str] = []
        length = 0
        try:
            for chunk in self.template.generate(found):
                chunks.append(chunk)
                length += len(chunk)
                if length > MAX_RENDERED:
                    raise ValueError(f"the query is longer than {MAX_RENDERED} characters")
        except TemplateError as error:
            raise ValueError(str(error)) from error
        except TypeError as error:
            raise ValueError(f"values of different sorts are compared: {error}") from error
        return "".join(chunks).strip()


def compile_template(text: str) -> Compiled:
    """Check a template and make it ready.

    Raises:
        BadTemplate: It is too long, isn't closed, or uses what isn't allowed.
    """
    if len(text) > MAX_TEMPLATE:
        raise BadTemplate(f"longer than {MAX_TEMPLATE} characters")
    environment = _environment()
    try:
        tree = environment.parse(_one_spelling(text))
        _check(tree)
        _Contexts().visit(tree.body, "")
        tree.set_environment(environment)
        names = frozenset(meta.find_undeclared_variables(tree))
        return Compiled(names, environment.from_string(tree))
    except TemplateSyntaxError as error:
        raise BadTemplate(f"line {error.lineno}: {error.message}") from error
    except TemplateError as error:
        raise BadTemplate(str(error)) from error
    except RecursionError as error:
        raise BadTemplate("nested too deeply") from error
    except (ValueError, SyntaxError, MemoryError, OverflowError) as error:
        if isinstance(error, BadTemplate):
            raise
        raise BadTemplate(f"can't be compiled: {error}") from error


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        comment_start_string="{##",
        comment_end_string="##}",
        cache_size=0,
    )
    environment.filters = {
        "default": environment.filters["default"],
        "lower": _bounded(str.lower),
        "upper": _bounded(str.upper),
        "trim": _bounded(str.strip),
        "regex": _bounded(promql.regex),
        "promql_quoted": _bounded(promql.escape),
        "promql_literal": _bounded(promql.quote),
        "promql_bare": _bounded(promql.bare),
    }
    environment.globals = {}
    return environment


def _bounded(change: Callable[[str], str]) -> Callable[[object], str]:
    """A filter that refuses a text that filters before it have let grow too long."""

    def apply(value: object) -> str:
        text = str(value)
        if len(text) > MAX_RENDERED:
            raise ValueError(f"a value grew longer than {MAX_RENDERED} characters")
        return change(text)

    return apply


def _one_spelling(text: str) -> str:
    """Write every placeholder as `{{ name }}`."""

    def rewrite(match: re.Match[str]) -> str:
        inner = match["braces"] if match["braces"] is not None else match["brackets"]
        if inner is None:
            raise BadTemplate(f"{text[match.start() : match.start() + 30]!r} isn't closed")
        return "{{ " + _GO_NAME.sub(r" \1", inner).strip() + " }}"

    return _PLACEHOLDER.sub(rewrite, text)


def _check(tree: nodes.Template) -> None:
    for count, (node, depth) in enumerate(_walk(tree)):
        if depth > MAX_DEPTH:
            raise BadTemplate(f"line {node.lineno}: nested more than {MAX_DEPTH} deep")
        if count > MAX_NODES:
            raise BadTemplate(f"line {node.lineno}: more than {MAX_NODES} names, filters and texts")
        if not isinstance(node, _ALLOWED):
            raise BadTemplate(
                f"line {node.lineno}: {type(node).__name__} isn't allowed; a template has names, "
                f"constants, if, and the filters {', '.join(_FILTERS)}"
            )
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise BadTemplate(
                f"line {node.lineno}: no filter {node.name!r}; there are {', '.join(_FILTERS)}"
            )
        if isinstance(node, nodes.Filter) and node.name != "default" and (node.args or node.kwargs):
            raise BadTemplate(f"line {node.lineno}: the filter {node.name} takes no argument")


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, int]]:
    """Each node with how deep it lies, from the outside in."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


class _Contexts:
    """Follows PromQL's quotes through a template and wraps each value by where it stands.

    A state is `` (outside), `"`, `'`, `#` (a comment), or a quote and a backslash.
    """

    def visit(self, body: list[Any], state: str) -> str:
        for node in body:
            if isinstance(node, nodes.Output):
                state = self._output(node, state)
            elif isinstance(node, nodes.If):
                branches = [node.body, *(elif_.body for elif_ in node.elif_), node.else_]
                if {self.visit(branch, state) for branch in branches} != {state}:
                    raise BadTemplate(f"line {node.lineno}: a quote opens or closes inside an if")
        return state

    def _output(self, output: nodes.Output, state: str) -> str:
        for index, child in enumerate(output.nodes):
            if isinstance(child, nodes.TemplateData):
                state = _scan(child.data, state)
                continue
            if state == "`":
                raise BadTemplate(
                    f"line {child.lineno}: no value between backticks, where nothing can be "
                    'escaped; use "…"'
                )
            if state.endswith("\\"):
                raise BadTemplate(f"line {child.lineno}: a value right after a backslash")
            output.nodes[index] = _escaped(child, quoted=state in {'"', "'"})
        return state


def _escaped(value: nodes.Expr, *, quoted: bool) -> nodes.Filter:
    literal, inner = False, value
    if isinstance(value, nodes.Filter) and value.name == LABEL and value.node is not None:
        literal, inner = True, value.node
    if any(isinstance(node, nodes.Filter) and node.name == LABEL for node, _ in _walk(inner)):
        raise BadTemplate(f"line {value.lineno}: the filter {LABEL} comes last and stands alone")
    name = "promql_quoted" if quoted else "promql_literal" if literal else "promql_bare"
    return nodes.Filter(inner, name, [], [], None, None, lineno=value.lineno)


def _scan(text: str, state: str) -> str:
    for char in text:
        if state == "":
            state = char if char in "\"'`#" else ""
        elif state == "#":
            state = "" if char == "\n" else "#"
        elif state.endswith("\\"):
            state = state[0]
        elif state == char:
            state = ""
        elif char == "\\" and state != "`":
            state += "\\"
    return state
