import pytest

from autopilot.kube.selectors import fields_match, labels_match


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("", {}, True),
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "1"}, True),
        ("a=1", {"a": "2"}, False),
        ("a=1", {}, False),
        ("a=", {"a": ""}, True),
        ("a!=1", {"a": "2"}, True),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1,2)", {"a": "2"}, True),
        ("a in (1, 2)", {"a": "3"}, False),
        ("a in (1)", {}, False),
        ("a notin (1,2)", {"a": "3"}, True),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": ""}, False),
        ("a=1,b in (x,y),!c", {"a": "1", "b": "y"}, True),
        ("a=1,b in (x,y),!c", {"a": "1", "b": "y", "c": ""}, False),
        ("app.kubernetes.io/name=web-1", {"app.kubernetes.io/name": "web-1"}, True),
    ],
)
def test_labels_are_judged_as_the_api_judges_them(
    selector: str, labels: dict[str, str], matches: bool
) -> None:
    assert labels_match(selector)(labels) is matches


@pytest.mark.parametrize("selector", ["a=b=c", "a in 1", "a in (1", "=x", "a b", "a>1"])
def test_a_label_selector_that_cannot_be_read_is_refused(selector: str) -> None:
    with pytest.raises(ValueError, match="no label selector"):
        labels_match(selector)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("metadata.name=a,status.phase=Running", True),
        ("status.phase!=Running", False),
        ("spec.nodeName=", True),
        ("spec.unschedulable=true", True),
        ("spec.deep.er=x", False),
    ],
)
def test_fields_are_judged_by_their_text(selector: str, matches: bool) -> None:
    body = {
        "metadata": {"name": "a"},
        "status": {"phase": "Running"},
        "spec": {"unschedulable": True, "deep": "text"},
    }
    assert fields_match(selector)(body) is matches


def test_a_field_selector_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match="no field selector"):
        fields_match("metadata.name")
