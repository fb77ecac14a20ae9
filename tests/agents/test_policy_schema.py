"""What weights depend on: the schema of a GraphSpec, and the network's config."""

import json

import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import Segment
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.schema import Schema
from policies import make_spec

SPEC = make_spec()


@pytest.mark.parametrize("spec", [SPEC, make_spec(9, 8, 7), JobShopVectorEnv(1, observation="graph").graph])
def test_schema_digest_and_sizes(spec):
    schema = Schema.of(spec)
    assert schema.digest == spec.digest == Schema(json.loads(json.dumps(schema.data))).digest
    assert schema.difference(Schema.of(spec)) is None


def test_schema_reads_a_spec():
    schema = Schema.of(SPEC)
    assert list(schema.nodes.items()) == [("task", 3), ("place", 1), ("bare", 0)]
    assert [(edge.name, edge.kind, edge.features) for edge in schema.edges] == [
        ("near", "list", 0),
        ("may", "list", 1),
        ("at", "pointer", 2),
        ("after", "pointer", 0),
        ("far", "dense", 2),
    ]
    assert (schema.context, schema.focus, schema.phases) == (
        2,
        {"chosen": "task", "here": "place"},
        ("task", "place", "stop"),
    )
    assert [(segment.over, segment.logits) for segment in schema.segments][:3] == [
        ("place", 3),
        ("task", 2),
        ("may", 1),
    ]
    assert schema.edge("far").target == "bare"
    assert schema.edge("task") is None


@pytest.mark.parametrize(
    ("segments", "tokens"),
    [
        ((Segment("place"),), ("place",)),
        ((Segment("place"), Segment("task", 2)), ("task", "place")),
        ((Segment("far"),), ("place", "bare")),
        ((Segment("bare"), Segment("at")), ("bare", "task", "place")),
        ((Segment("near"),), ("task",)),
        ((Segment("context", 3),), ("task", "place", "bare")),
    ],
)
def test_tokens(segments, tokens):
    assert Schema.of(make_spec(segments=segments)).tokens == tokens


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data["nodes"]["task"]["features"].append("x"), "nodes.task.features: with x"),
        (lambda data: data["nodes"]["task"]["features"].remove("g"), "nodes.task.features: without g"),
        (lambda data: data["nodes"]["task"]["features"].reverse(), "nodes.task.features: in another order"),
        (lambda data: data["nodes"].pop("bare"), "nodes.bare: missing"),
        (lambda data: data["nodes"].update(more=data["nodes"]["bare"]), "nodes.more: unexpected"),
        (lambda data: data["edges"]["at"].update(kind="list"), "edges.at.kind: expected 'pointer', got 'list'"),
        (lambda data: data["context"].pop(), "context: without h"),
        (lambda data: data["focus"].update(chosen="place"), "focus.chosen: expected 'task', got 'place'"),
        (lambda data: data["phases"].reverse(), "phases: in another order"),
        (lambda data: data["segments"].pop(), "segments: without"),
    ],
)
def test_difference_names_the_field(change, named):
    data = SPEC.schema()
    change(data)
    if data["edges"].get("far", {}).get("target") not in data["nodes"]:
        data["edges"].pop("far")
        data["segments"] = [one for one in data["segments"] if one[0] != "far"]
    found = Schema.of(SPEC).difference(Schema(data))
    assert found is not None
    assert named in found


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data.pop("nodes"), "nodes"),
        (lambda data: data.update(nodes=[]), "schema"),
        (lambda data: data["nodes"].update(task=None), "schema"),
        (lambda data: data["nodes"]["task"].update(features="fg"), "list of feature names"),
        (lambda data: data["edges"]["at"].pop("kind"), "kind"),
        (lambda data: data["edges"]["at"].update(kind="ring"), "edges.at.kind: unknown value 'ring'"),
        (lambda data: data["edges"]["at"].update(target="nowhere"), "edges.at: node type: unknown value 'nowhere'"),
        (lambda data: data.update(context=3), "list of feature names"),
        (lambda data: data.update(focus={"chosen": "nowhere"}), "focus.chosen: unknown value 'nowhere'"),
        (lambda data: data.update(segments=[["nowhere", 1, ""]]), "segments: over: unknown value 'nowhere'"),
        (lambda data: data.update(segments=[["task", 0, ""]]), "'task': expected at least 1 logit, got 0"),
        (lambda data: data.update(segments=[["task", "2", ""]]), "'task': expected at least 1 logit, got '2'"),
        (lambda data: data.update(segments=[["task", 1]]), "schema"),
        (lambda data: data.update(context={1, 2}), "schema"),
    ],
)
def test_a_malformed_schema_is_refused(change, named):
    data = SPEC.schema()
    change(data)
    with pytest.raises(InputError, match="schema: ") as caught:
        Schema(data)
    assert named in str(caught.value)


# Config.


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"encoder": "mlp"}, "network: encoder: unknown value 'mlp'"),
        ({"width": 0}, "network: width: expected an integer in 1 … 65536, got 0"),
        ({"layers": True}, "network: layers: expected an integer .* got True"),
        ({"hidden": 8.0}, "network: hidden: expected an integer .* got 8.0"),
        ({"heads": 10**30}, "network: heads: expected an integer"),
        ({"depth": 2}, "network: unknown key 'depth'"),
        ([1], "network: expected a mapping"),
    ],
)
def test_a_wrong_config_is_refused(config, named):
    with pytest.raises(InputError, match=named):
        NetworkConfig.from_dict(config)


def test_a_config_comes_back():
    config = NetworkConfig(encoder="gnn", width=12)
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
