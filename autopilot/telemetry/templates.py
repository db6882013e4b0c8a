"""Query templates: Jinja2 cut down to names, filters, constants and `if`.

A template is text that a person wrote for PromQL, with values put in at call time. Each value is
escaped by where it stands: inside quotes so that it can't end them, outside so that it can only be
a duration, a number or a name. There is no way to put a value in raw.

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
    from collections.abc import Iterator, Mapping

    from jinja2 import Template

MAX_TEMPLATE = 16_000
MAX_RENDERED = 64_000
MAX_VALUE = 4_000
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter,
    nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
)  # fmt: skip
_FILTERS = ("default", "lower", "upper", "trim", "regex")
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
        try:
            text = self.template.render(found).strip()
        except TemplateError as error:
            raise ValueError(str(error)) from error
        if len(text) > MAX_RENDERED:
            raise ValueError(f"the query is longer than {MAX_RENDERED} characters")
        return text


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


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        comment_start_string="{##",
        comment_end_string="##}",
        cache_size=0,
    )
    kept = {name: environment.filters[name] for name in _FILTERS if name in environment.filters}
    environment.filters = {
        **kept,
        "regex": lambda value: promql.regex(str(value)),
        "promql_quoted": lambda value: promql.escape(str(value)),
        "promql_bare": lambda value: promql.bare(str(value)),
    }
    environment.globals = {}
    return environment


def _one_spelling(text: str) -> str:
    """Write every placeholder as `{{ name }}`."""

    def rewrite(match: re.Match[str]) -> str:
        inner = match["braces"] if match["braces"] is not None else match["brackets"]
        if inner is None:
            raise BadTemplate(f"{text[match.start() : match.start() + 30]!r} isn't closed")
        return "{{ " + _GO_NAME.sub(r" \1", inner).strip() + " }}"

    return _PLACEHOLDER.sub(rewrite, text)


def _check(tree: nodes.Template) -> None:
    for node in _walk(tree):
        if not isinstance(node, _ALLOWED):
            raise BadTemplate(
                f"line {node.lineno}: {type(node).__name__} isn't allowed; a template has names, "
                f"constants, if, and the filters {', '.join(_FILTERS)}"
            )
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise BadTemplate(
                f"line {node.lineno}: no filter {node.name!r}; there are {', '.join(_FILTERS)}"
            )


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


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
            name = "promql_quoted" if state in {'"', "'"} else "promql_bare"
            output.nodes[index] = nodes.Filter(child, name, [], [], None, None, lineno=child.lineno)
        return state


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
