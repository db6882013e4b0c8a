import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pure_values import calm

from autopilot.sandbox.apiserver.formats import FORMATS, go_regex
from autopilot.sandbox.apiserver.schema import Structural

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def spec_schema(**properties):
    return Structural(
        {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": properties}},
        }
    )


def resource(**spec):
    return {"apiVersion": "e.com/v1", "kind": "W", "metadata": {"name": "w"}, "spec": spec}


def only_cause(schema, **spec):
    causes = schema.validate(resource(**spec))
    assert len(causes) == 1, causes
    return causes[0].field, causes[0].reason, causes[0].message


@pytest.mark.parametrize(
    ("rule", "value", "reason", "message"),
    [
        (INTEGER, "x", "TypeInvalid",
         'Invalid value: "string": spec.f in body must be of type integer: "string"'),
        (STRING, 5, "TypeInvalid",
         'Invalid value: "integer": spec.f in body must be of type string: "integer"'),
        (INTEGER, True, "TypeInvalid",
         'Invalid value: "boolean": spec.f in body must be of type integer: "boolean"'),
        (INTEGER, 1.5, "TypeInvalid",
         'Invalid value: "number": spec.f in body must be of type integer: "number"'),
        ({"type": "array"}, {}, "TypeInvalid",
         'Invalid value: "object": spec.f in body must be of type array: "object"'),
        (STRING, None, "TypeInvalid",
         'Invalid value: "null": spec.f in body must be of type string: "null"'),
        ({"enum": ["b", "a"]}, "x", "NotSupported",
         'Unsupported value: "x": supported values: "a", "b"'),
        ({**STRING, "pattern": "^[a-z]+$"}, "A", "Invalid",
         "Invalid value: \"A\": spec.f in body should match '^[a-z]+$'"),
        ({**STRING, "minLength": 1}, "", "Invalid",
         'Invalid value: "": spec.f in body should be at least 1 chars long'),
        ({**STRING, "maxLength": 2}, "abc", "TooLong", "Too long: may not be more than 2 bytes"),
        ({**INTEGER, "minimum": 1}, 0, "Invalid",
         "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
        ({**INTEGER, "minimum": 1, "exclusiveMinimum": True}, 1, "Invalid",
         "Invalid value: 1: spec.f in body should be greater than 1"),
        ({"type": "number", "maximum": 0.5}, 0.75, "Invalid",
         "Invalid value: 0.75: spec.f in body should be less than or equal to 0.5"),
        ({**INTEGER, "maximum": 1, "exclusiveMaximum": True}, 1, "Invalid",
         "Invalid value: 1: spec.f in body should be less than 1"),
        ({**INTEGER, "multipleOf": 5}, 7, "Invalid",
         "Invalid value: 7: spec.f in body should be a multiple of 5"),
        ({**INTEGER, "format": "int32"}, 2**31, "Invalid",
         "Invalid value: 2147483648: spec.f in body should be less than or equal to 2147483647"),
        ({"type": "array", "minItems": 1}, [], "Invalid",
         "Invalid value: 0: spec.f in body should have at least 1 items"),
        ({"type": "array", "maxItems": 1}, [1, 2], "TooMany",
         "Too many: 2: must have at most 1 item"),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, "TooMany",
         "Too many: 2: must have at most 1 item"),
        ({"type": "object", "minProperties": 1}, {}, "Invalid",
         "Invalid value: 0: spec.f in body should have at least 1 properties"),
        ({"type": "array", "uniqueItems": True}, [1, 1], "Invalid",
         "Invalid value: \"\": spec.f in body shouldn't contain duplicates"),
        ({**STRING, "format": "date-time"}, "nope", "TypeInvalid",
         'Invalid value: "nope": spec.f in body must be of type date-time: "nope"'),
        ({"x-kubernetes-int-or-string": True}, [], "TypeInvalid",
         'Invalid value: "array": spec.f in body must be of type integer,string: "array"'),
    ],
)  # fmt: skip
def test_each_broken_rule_is_told_in_the_real_servers_words(rule, value, reason, message):
    expected = ("spec.f", f"FieldValue{reason}", message)
    assert only_cause(spec_schema(f=rule), f=value) == expected


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (INTEGER, 2.0),
        ({"type": "number"}, 2),
        ({**STRING, "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "80%"),
        ({"x-kubernetes-int-or-string": True}, 80),
        ({**STRING, "format": "date-time"}, "2024-02-29T10:00:00.5+02:00"),
        ({**STRING, "format": "no-such-format"}, "x"),
        ({**STRING, "pattern": "b"}, "abc"),
        ({}, [1, "a", None]),
    ],
)
def test_what_keeps_the_rules_is_accepted(rule, value):
    assert spec_schema(f=rule).validate(resource(f=value)) == []


def test_a_missing_field_is_told_at_its_own_path():
    schema = spec_schema(items={"type": "array", "items": {"type": "object", "required": ["name"]}})
    assert only_cause(schema, items=[{"name": "a"}, {}]) == (
        "spec.items[1].name", "FieldValueRequired", "Required value",
    )  # fmt: skip


def test_a_list_keyed_like_a_map_refuses_the_same_key_twice():
    schema = spec_schema(
        ports={
            "type": "array",
            "items": {"type": "object"},
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        }
    )
    field, reason, message = only_cause(schema, ports=[{"name": "a"}, {"name": "a", "x": 1}])
    assert (field, reason) == ("spec.ports[1]", "FieldValueDuplicate")
    assert message == 'Duplicate value: map[string]interface {}{"name":"a"}'


def test_a_set_refuses_a_value_twice():
    schema = spec_schema(tags={"type": "array", "x-kubernetes-list-type": "set", "items": STRING})
    assert only_cause(schema, tags=["a", "b", "a"])[0] == "spec.tags[2]"


def test_one_of_counts_the_alternatives_that_hold():
    schema = spec_schema(f={"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert schema.validate(resource(f={"a": 1})) == []
    assert only_cause(schema, f={})[2] == (
        'Invalid value: "": "spec.f" must validate one and only one schema (oneOf). '
        "Found none valid"
    )
    assert only_cause(schema, f={"a": 1, "b": 1})[2].endswith("Found 2 valid alternatives")


def test_any_of_all_of_and_not_are_checked():
    schema = spec_schema(
        f={
            "anyOf": [{"minimum": 5}, {"maximum": 1}],
            "allOf": [{"maximum": 10}],
            "not": {"enum": [7]},
        }
    )
    assert schema.validate(resource(f=6)) == []
    assert "(anyOf)" in only_cause(schema, f=3)[2]
    assert "less than or equal to 10" in only_cause(schema, f=11)[2]
    assert "(not)" in only_cause(schema, f=7)[2]


def test_all_causes_are_told_at_once():
    schema = spec_schema(a=INTEGER, b=STRING)
    assert [cause.field for cause in schema.validate(resource(a="x", b=1))] == ["spec.a", "spec.b"]


def test_an_embedded_resource_needs_its_kind():
    schema = spec_schema(t={"type": "object", "x-kubernetes-embedded-resource": True})
    whole = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "odd": 1}, "spec": {}}
    assert [c.field for c in schema.validate(resource(t={}))] == [
        "spec.t.apiVersion",
        "spec.t.kind",
    ]
    assert schema.prune(resource(t=whole))["spec"]["t"] == {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
    }  # fmt: skip


def test_unknown_fields_are_pruned_and_named():
    schema = spec_schema(
        known=STRING,
        free={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        map={"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}},
        list={"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
    )
    obj = resource(
        known="x", odd=1, free={"any": 1}, map={"k": {"a": 1, "b": 2}}, list=[{"a": 1}, {"c": 1}]
    )
    obj["metadata"]["strange"] = 1
    obj["extra"] = {}
    assert sorted(schema.unknown_fields(obj)) == [
        "extra", "metadata.strange", "spec.list[1].c", "spec.map.k.b", "spec.odd",
    ]  # fmt: skip
    assert schema.prune(obj) == resource(
        known="x", free={"any": 1}, map={"k": {"a": 1}}, list=[{"a": 1}, {}]
    )


def test_preserving_unknown_fields_still_prunes_below_known_ones():
    schema = spec_schema(
        f={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"strict": {"type": "object", "properties": {"a": {}}}},
        }
    )
    pruned = schema.prune(resource(f={"strict": {"a": 1, "b": 1}, "other": {"c": 1}}))
    assert pruned["spec"]["f"] == {"strict": {"a": 1}, "other": {"c": 1}}


def test_defaults_are_filled_in_also_below_defaults_and_for_nulls():
    schema = spec_schema(
        size={**INTEGER, "default": 3},
        sub={"type": "object", "default": {}, "properties": {"on": {"default": True}}},
        maybe={**STRING, "nullable": True, "default": "d"},
        plain=STRING,
        many={"type": "array", "items": {"type": "object", "properties": {"n": {"default": 1}}}},
    )  # fmt: skip
    filled = schema.default(resource(size=None, maybe=None, plain=None, many=[{}, {"n": 2}]))
    assert filled["spec"] == {
        "size": 3, "sub": {"on": True}, "maybe": None, "many": [{"n": 1}, {"n": 2}],
    }  # fmt: skip


FIELDS = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"])
SCHEMAS = st.recursive(
    st.sampled_from([STRING, INTEGER, {**INTEGER, "default": 1}, {**STRING, "nullable": True}, {}]),
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda members, keep: {
                "type": "object",
                "properties": members,
                "x-kubernetes-preserve-unknown-fields": keep,
            },
            st.dictionaries(FIELDS, inner, max_size=3),
            st.booleans(),
        ),
    ),
    max_leaves=8,
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)


@calm
@given(st.dictionaries(FIELDS, SCHEMAS, max_size=3), st.dictionaries(FIELDS, DATA, max_size=3))
def test_pruning_and_defaulting_twice_change_nothing_more_and_never_mutate(properties, spec):
    schema = spec_schema(**properties)
    obj = resource(**spec)
    before = copy.deepcopy(obj)
    pruned = schema.prune(obj)
    assert schema.prune(pruned) is pruned
    assert (schema.unknown_fields(obj) == []) == (pruned is obj)
    filled = schema.default(pruned)
    assert schema.default(filled) is filled
    schema.validate(filled)
    assert obj == before


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^[[:alpha:]]+$", "abc", True),
        ("^[[:alpha:]]+$", "ab1", False),
        ("^a$", "a\n", False),
        (r"^a\z", "a", True),
        (r"^\d$", "٣", False),
        ("^[$]$", "$", True),
        (r"^\$$", "$", True),
        ("^[]a]$", "]", True),
        ("^[a[]$", "[", True),
    ],
)
def test_go_patterns_mean_the_same_in_python(pattern, text, matches):
    assert bool(go_regex(pattern).search(text)) is matches


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date-time", "2024-01-01T00:00:00Z", "2024-13-01T00:00:00Z"),
        ("date", "2024-01-01", "20240101"),
        ("duration", "1h30m", "fast"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "10.0.0.1"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("hostname", "a.b-c.d", "-a"),
        ("email", "a@b", "a"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "x"),
        ("byte", "YQ==", "a"),
        ("uri", "http://a/b", "a b"),
    ],
)
def test_string_formats(form, good, bad):
    assert FORMATS[form](good)
    assert not FORMATS[form](bad)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"type": "array", "minItems": 1, "maxItems": 1}, [1]),
        ({"type": "object", "minProperties": 1, "maxProperties": 1}, {"a": 1}),
        ({**STRING, "minLength": 1, "maxLength": 1}, "a"),
        ({**INTEGER, "minimum": 1, "maximum": 1}, 1),
        ({**INTEGER, "format": "int32"}, 2**31 - 1),
        ({**INTEGER, "multipleOf": 5}, 10),
        ({"type": "array", "uniqueItems": True}, [1, 2]),
        ({"enum": [1, "a"]}, 1),
    ],
)
def test_a_value_on_the_limit_is_accepted(rule, value):
    assert spec_schema(f=rule).validate(resource(f=value)) == []


@pytest.mark.parametrize(
    "rule",
    [{"anyOf": [{"minimum": 5}]}, {"allOf": [{"minimum": 5}]}, {"not": {"maximum": 5}}],
)
def test_each_combination_counts_alone(rule):
    schema = spec_schema(f=rule)
    assert schema.validate(resource(f=6)) == []
    assert len(schema.validate(resource(f=3))) == 1


def test_an_embedded_resources_kind_must_be_a_text_that_says_something():
    schema = spec_schema(t={"type": "object", "x-kubernetes-embedded-resource": True})
    causes = schema.validate(resource(t={"apiVersion": "", "kind": 5, "metadata": []}))
    assert [(cause.field, cause.reason) for cause in causes] == [
        ("spec.t.apiVersion", "FieldValueRequired"),
        ("spec.t.kind", "FieldValueTypeInvalid"),
        ("spec.t.metadata", "FieldValueTypeInvalid"),
    ]


def test_true_is_no_member_of_an_enumeration_of_numbers():
    assert len(spec_schema(f={"enum": [1]}).validate(resource(f=True))) == 1


def test_lists_are_pruned_below_unless_unknown_fields_are_preserved():
    strict = spec_schema(f={"type": "array"})
    free = spec_schema(f={"type": "array", "x-kubernetes-preserve-unknown-fields": True})
    obj = resource(f=[{"a": 1}])
    assert strict.prune(obj)["spec"]["f"] == [{}]
    assert strict.unknown_fields(obj) == ["spec.f[0].a"]
    assert free.prune(obj) is obj
