"""CRDs made from pydantic models have structural schemas that Kubernetes accepts."""

# ruff: noqa: RUF012 -- pydantic copies defaults

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from autopilot.project.load import parse
from autopilot.spec.crd import crd
from autopilot.spec.model import Model, Spec, Status
from autopilot.spec.schema import NotStructural, structural
from autopilot.spec.types import Duration, IntOrString


class Colour(StrEnum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Inner(Model):
    """Something inside.

    Attributes:
        limit: This section is for programmers.
    """

    limit: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How much."""
    wait_for: Duration = timedelta(seconds=90)


class Wide(Spec):
    """One field of every sort."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z]+$")]
    """Its name."""
    count: Annotated[int, Field(ge=0, lt=10)] = 3
    colour: Colour = Colour.RED
    mode: Literal["slow", "fast"] = "slow"
    only: Literal["one"] = "one"
    inner: Inner = Inner()
    maybe: Inner | None = None
    text: str | None = None
    port: int | str | None = None
    other_port: IntOrString = 80
    at: datetime | None = None
    many: list[Inner] = []
    labels: dict[str, str] = {}
    matrix: dict[str, list[int]] = {}
    tags: frozenset[str] = frozenset()
    free: dict[str, Any] = {}
    anything: Any = None
    step: Duration = timedelta(milliseconds=1500)


def properties() -> dict[str, Any]:
    found = structural(Wide)["properties"]
    assert isinstance(found, dict)
    return found


def test_names_are_camel_case_and_required_ones_are_listed() -> None:
    schema = structural(Wide)
    assert schema["required"] == ["name"]
    assert schema["description"] == "One field of every sort."
    assert "otherPort" in schema["properties"]
    assert "waitFor" in schema["properties"]["inner"]["properties"]


def test_bounds_and_patterns_are_kept_in_the_spelling_of_openapi_3_0() -> None:
    found = properties()
    assert found["name"] == {
        "description": "Its name.",
        "type": "string",
        "pattern": "^[a-z]+$",
        "minLength": 1,
        "maxLength": 63,
    }
    assert found["count"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 10,
        "exclusiveMaximum": True,
        "default": 3,
    }
    assert found["inner"]["properties"]["limit"]["exclusiveMinimum"] is True


def test_enums_and_constants_are_enums_of_a_type() -> None:
    found = properties()
    assert (found["colour"]["type"], found["colour"]["enum"]) == ("string", ["red", "blue"])
    assert found["mode"] == {"type": "string", "enum": ["slow", "fast"], "default": "slow"}
    assert found["only"]["enum"] == ["one"]


def test_durations_are_texts_with_a_pattern_and_a_readable_default() -> None:
    step = properties()["step"]
    assert step["type"] == "string"
    assert step["pattern"].startswith("^(")
    assert step["default"] == "1s500ms"
    assert properties()["inner"]["default"] == {"limit": 0.5, "waitFor": "1m30s"}


def test_none_is_nullable() -> None:
    found = properties()
    assert found["text"] == {"type": "string", "nullable": True}
    assert found["maybe"]["nullable"] is True
    assert found["at"] == {"type": "string", "format": "date-time", "nullable": True}


def test_numbers_or_texts_are_int_or_string_without_a_type() -> None:
    found = properties()
    assert found["port"] == {"x-kubernetes-int-or-string": True, "nullable": True}
    assert found["otherPort"] == {"x-kubernetes-int-or-string": True, "default": 80}


def test_maps_and_lists_are_followed() -> None:
    found = properties()
    assert found["labels"]["additionalProperties"] == {"type": "string"}
    assert found["matrix"]["additionalProperties"] == {
        "type": "array",
        "items": {"type": "integer"},
    }
    assert found["many"]["items"]["properties"]["limit"]["default"] == 0.5
    assert found["many"]["items"]["description"] == "Something inside."
    assert found["tags"] == {
        "type": "array",
        "items": {"type": "string"},
        "x-kubernetes-list-type": "set",
        "default": [],
    }


def test_free_form_values_are_preserved() -> None:
    found = properties()
    assert found["free"]["x-kubernetes-preserve-unknown-fields"] is True
    assert found["anything"]["x-kubernetes-preserve-unknown-fields"] is True


def nodes(schema: Any) -> list[dict[str, Any]]:
    """Every schema node, the root included."""
    if not isinstance(schema, dict):
        return []
    inside = [*schema.get("properties", {}).values()]
    inside += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return [schema, *(node for child in inside for node in nodes(child))]


def test_every_node_follows_the_rules_of_structural_schemas() -> None:
    for node in nodes(structural(Wide)):
        typed = "type" in node or node.get("x-kubernetes-int-or-string")
        assert typed or node.get("x-kubernetes-preserve-unknown-fields"), node
        forbidden = {"$ref", "$defs", "title", "const", "anyOf", "oneOf", "allOf", "uniqueItems"}
        assert not forbidden & set(node), node
        assert not {"properties", "additionalProperties"} <= set(node), node
        assert not isinstance(node.get("exclusiveMinimum", True), float), node


class Either(Spec):
    """A union that has no structural schema."""

    one_of: Inner | list[str]


class Tree(Model):
    """Contains itself."""

    children: list[Tree] = []


class Forest(Spec):
    """Recursive."""

    tree: Tree = Tree()


class Pair(Spec):
    """A tuple of fixed items."""

    pair: tuple[int, str] = (1, "a")


@pytest.mark.parametrize(
    "model, message",
    [
        (
            Either,
            "Either.oneOf: a union (Inner | array) has no structural schema; "
            "use one type, or a map with one optional field for each",
        ),
        (
            Forest,
            "Forest.tree.children[]: Tree contains itself; a schema in a CRD is finite",
        ),
        (Pair, "Pair.pair: a tuple of fixed items; use tuple[T, ...] or a model"),
    ],
)
def test_what_has_no_structural_schema_is_refused_with_its_place(
    model: type[Spec], message: str
) -> None:
    with pytest.raises(NotStructural) as caught:
        structural(model)
    assert str(caught.value) == message


class Remembered(Status):
    """What is remembered."""

    weight: int = 0
    """Percent."""
    inner: Inner = Inner()


def made() -> dict[str, Any]:
    text = "kind: Canary\napiVersion: example.io/v1alpha1\noperatorName: c-operator\n"
    text += "phases:\n- name: A\n  initial: true\n- name: B\n"
    return crd(parse(text, "f").operators[0], Wide, Remembered)


def test_the_crd_carries_names_scope_and_the_status_subresource() -> None:
    found = made()
    assert found["metadata"]["name"] == "canaries.example.io"
    assert found["spec"]["names"]["kind"] == "Canary"
    assert found["spec"]["scope"] == "Namespaced"
    (version,) = found["spec"]["versions"]
    assert version["name"] == "v1alpha1"
    assert version["served"] is version["storage"] is True
    assert version["subresources"] == {"status": {}}


def test_kubectl_shows_phase_reason_and_age() -> None:
    columns = made()["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column["name"] for column in columns] == ["Phase", "Reason", "Age"]


def test_the_status_holds_the_runtimes_fields_and_the_authors_without_defaults() -> None:
    root = made()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    status = root["properties"]["status"]
    assert {
        "phase",
        "phaseSince",
        "observedGeneration",
        "conditions",
        "phaseHistory",
        "nextTick",
    } <= (set(status["properties"]))
    assert status["properties"]["conditions"]["x-kubernetes-list-map-keys"] == ["type"]
    assert status["properties"]["weight"] == {"description": "Percent.", "type": "integer"}
    assert all("default" not in node for node in nodes(status))
    assert root["required"] == ["spec"]
