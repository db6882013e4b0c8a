import pytest
from hypothesis import given
from hypothesis import strategies as st
from pure_values import calm

from autopilot.sandbox.apiserver.selectors import SelectorError, parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "n": "5", "empty": ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app=web",
        "app==web",
        "app = web",
        "app!=db",
        "missing!=x",
        "app in (db, web)",
        "app notin (db)",
        "missing notin (x)",
        "app",
        "!missing",
        "n>4",
        "n<6",
        "empty=",
        "empty in (,x)",
        "app=web,tier in (front),!missing",
    ],
)
def test_a_label_selector_holds_for_the_labels_it_describes(text):
    assert parse_labels(text)(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "app=db",
        "app!=web",
        "app in (db)",
        "app notin (web)",
        "missing in (x)",
        "missing",
        "!app",
        "n>5",
        "n<5",
        "app>1",
        "missing>1",
        "app=web,tier=back",
    ],
)
def test_a_label_selector_does_not_hold_for_other_labels(text):
    assert not parse_labels(text)(LABELS)


@pytest.mark.parametrize(
    "text",
    ["=a", "a in", "a in (", "a in (b", "a=b,", ",a", "a ! b", "a b", "a>x", "-a", "a=b!", "a=(b)"],
)
def test_a_malformed_label_selector_is_refused(text):
    with pytest.raises(SelectorError) as caught:
        parse_labels(text)
    assert caught.value.message.startswith("unable to parse requirement")


NAME = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)


@calm
@given(st.dictionaries(NAME, NAME, max_size=5), NAME, st.lists(NAME, min_size=1, max_size=3))
def test_in_and_notin_part_all_labels(labels, key, values):
    inside = parse_labels(f"{key} in ({','.join(values)})")(labels)
    outside = parse_labels(f"{key} notin ({','.join(values)})")(labels)
    assert inside != outside


@calm
@given(st.dictionaries(NAME, NAME, min_size=1, max_size=5))
def test_a_selector_made_of_all_labels_selects_its_object(labels):
    assert parse_labels(",".join(f"{k}={v}" for k, v in labels.items()))(labels)


POD = {"metadata": {"name": "a"}, "spec": {"nodeName": "n1", "on": True}, "status": {}}


def test_field_selectors_compare_dotted_paths():
    assert parse_fields("spec.nodeName=n1,metadata.name!=b", {"spec.nodeName"})(POD)
    assert parse_fields("spec.nodeName==n1", None)(POD)
    assert not parse_fields("spec.nodeName=n2", None)(POD)
    assert parse_fields("spec.on=true", None)(POD)
    assert parse_fields("", frozenset())(POD)


def test_a_missing_field_counts_as_empty():
    assert parse_fields("status.phase=", None)(POD)
    assert parse_fields("status.phase!=Running", None)(POD)


def test_a_field_selector_reads_escapes():
    assert parse_fields(r"metadata.name=a\,b\=c", None)({"metadata": {"name": "a,b=c"}})


def test_a_field_that_is_not_supported_is_refused_by_name():
    with pytest.raises(SelectorError) as caught:
        parse_fields("spec.foo=1", {"spec.nodeName"})
    assert caught.value.message == "field label not supported: spec.foo"


def test_a_field_selector_without_an_operator_is_refused():
    with pytest.raises(SelectorError):
        parse_fields("metadata.name", None)


def test_an_escaped_backslash_does_not_escape_what_follows():
    fields = parse_fields("metadata.name=a\\\\,metadata.namespace=n", None)
    assert fields({"metadata": {"name": "a\\", "namespace": "n"}})
    assert not fields({"metadata": {"name": "a\\", "namespace": "m"}})
