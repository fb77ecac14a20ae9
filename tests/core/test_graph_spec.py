"""GraphSpec: arrays, spaces, actions and schema that follow from one description, with every kind of edge."""

import json

import numpy as np
import pytest
from gymnasium import spaces

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Picture, Segment

F, G, H = Feature("f", -1, 1), Feature("g", 0, 5), Feature("h", 2, 3)
SPEC = GraphSpec(
    nodes=(
        NodeType("task", 4, (F, G), (H,)),
        NodeType("place", 3, (), (G,), fixed=True),
        NodeType("bare", 2),
    ),
    edges=(
        EdgeType("may", "task", "place", "list", 6, (F,), static=True),
        EdgeType("at", "task", "place", "pointer", features=(G, H)),
        EdgeType("far", "place", "bare", "dense", features=(F,), static=True),
    ),
    context=(F, H),
    focus=(("chosen", "task"),),
    phases=("task", "place"),
    segments=(
        Segment("task", 2, "task"),
        Segment("may", 1, "place"),
        Segment("at", 3),
        Segment("far"),
        Segment("context", 2),
    ),
)
SHAPES = {
    "task": ((4, 2), np.float32),
    "task_static": ((4, 1), np.float32),
    "task_mask": ((4,), np.int8),
    "place_static": ((3, 1), np.float32),
    "place_mask": ((3,), np.int8),
    "bare_mask": ((2,), np.int8),
    "may_index": ((2, 6), np.int32),
    "may": ((6, 1), np.float32),
    "at_index": ((4,), np.int32),
    "at": ((4, 2), np.float32),
    "far": ((3, 2, 1), np.float32),
    "context": ((2,), np.float32),
    "focus_chosen": ((1,), np.int32),
    "phase": ((1,), np.int8),
    "action_mask": ((4 * 2 + 6 + 4 * 3 + 3 * 2 + 2,), np.int8),
}
STATIC = {"task_static", "place_static", "place_mask", "may_index", "may", "far"}


def test_blocks():
    blocks = {block.key: block for block in SPEC.blocks()}
    assert {key: (block.shape, block.dtype) for key, block in blocks.items()} == SHAPES
    assert {key for key, block in blocks.items() if block.static} == STATIC
    assert [blocks["at"].low[0].tolist(), blocks["at"].high[3].tolist()] == [[0, 2], [5, 3]]
    assert blocks["far"].low[2, 1].tolist() == [-1]
    assert blocks["may_index"].high.tolist() == [[3] * 6, [2] * 6]
    assert blocks["at_index"].high.tolist() == [2] * 4
    assert blocks["focus_chosen"].high.tolist() == [3]
    assert blocks["phase"].high.tolist() == [1]


def test_arrays_lie_in_the_spaces():
    arrays, space = SPEC.allocate(5), SPEC.observation_space()
    assert {key: (array.shape[1:], array.dtype) for key, array in arrays.items()} == SHAPES
    for key in ("may_index", "at_index", "focus_chosen"):
        assert (arrays[key] == -1).all()
        assert space[key].contains(arrays[key][0])
    assert set(SPEC.allocate(1, static=True)) == STATIC
    assert set(SPEC.allocate(1, static=False)) == set(SHAPES) - STATIC == set(SPEC.observation_space(static=False))
    for seed in range(3):
        space.seed(seed)
        for key, part in space.sample().items():
            assert (part.shape, part.dtype) == SHAPES[key]


def test_every_action_is_decoded():
    assert SPEC.action_space() == spaces.Discrete(SPEC.n_actions)
    decoded = [SPEC.decode(action) for action in range(SPEC.n_actions)]
    expected = [
        (segment, item, logit)
        for segment in SPEC.segments
        for item in range(SPEC.items(segment))
        for logit in range(segment.logits)
    ]
    assert decoded == expected
    assert [SPEC.items(segment) for segment in SPEC.segments] == [4, 6, 4, 6, 1]
    for action in (-1, SPEC.n_actions):
        with pytest.raises(ValueError, match=f"action {action} outside"):
            SPEC.decode(action)


def test_schema_holds_no_counts():
    def sized(by):
        nodes = tuple(NodeType(n.name, n.count * by, n.features, n.static_features, n.fixed) for n in SPEC.nodes)
        edges = tuple(
            EdgeType(e.name, e.source, e.target, e.kind, e.count * by, e.features, e.static) for e in SPEC.edges
        )
        return GraphSpec(nodes, edges, SPEC.context, SPEC.focus, SPEC.phases, SPEC.segments)

    large = sized(3)
    assert large.n_actions != SPEC.n_actions
    assert json.loads(json.dumps(large.schema())) == SPEC.schema()
    assert large.digest == SPEC.digest
    assert len(SPEC.digest) == 16
    schema = SPEC.schema()
    assert schema["nodes"]["task"] == {"features": ["f", "g"], "static_features": ["h"]}
    assert schema["edges"]["at"] == {"source": "task", "target": "place", "kind": "pointer", "features": ["g", "h"]}
    assert schema["segments"][0] == ["task", 2, "task"]
    assert (schema["focus"], schema["phases"], schema["context"]) == ({"chosen": "task"}, ["task", "place"], ["f", "h"])


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": (*SPEC.nodes[:2], NodeType("bare", 2, (F,)))},
        {"edges": SPEC.edges[:2]},
        {"context": (H, F)},
        {"focus": ()},
        {"phases": ("place", "task")},
        {"segments": SPEC.segments[::-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_digest_follows_every_part(change):
    parts = {name: getattr(SPEC, name) for name in ("nodes", "edges", "context", "focus", "phases", "segments")}
    if "edges" in change:
        parts["segments"] = tuple(s for s in SPEC.segments if s.over != "far")
        before = GraphSpec(**parts).digest
        assert GraphSpec(**{**parts, **change}).digest != before
    assert GraphSpec(**{**parts, **change}).digest != SPEC.digest


def test_a_spec_without_graph_parts():
    plain = GraphSpec((NodeType("job", 2, (F,)),), segments=(Segment("job"),))
    assert [block.key for block in plain.blocks()] == ["job", "job_mask", "action_mask"]
    assert plain.n_actions == 2


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"nodes": (*SPEC.nodes, NodeType("bare", 3))}, "'bare_mask': given twice"),
        ({"nodes": (*SPEC.nodes, NodeType("a", 0))}, "'a'.*count"),
        ({"edges": (EdgeType("e", "task", "nowhere", "pointer"),)}, "'nowhere'"),
        ({"edges": (EdgeType("e", "task", "place", "list"),)}, "'e'.*count"),
        ({"edges": (EdgeType("task", "task", "place", "pointer", features=(F,)),)}, "'task': given twice"),
        ({"focus": (("x", "nowhere"),)}, "'nowhere'"),
        ({"segments": (Segment("nowhere"),)}, "'nowhere'"),
        ({"segments": (Segment("task", phase="later"),)}, "'later'"),
        ({"context": (F, F)}, "'f': given twice"),
    ],
)
def test_a_wrong_spec_is_refused(parts, named):
    base = {"nodes": SPEC.nodes, "edges": (), "segments": (Segment("task"),)}
    with pytest.raises(InputError, match=named):
        GraphSpec(**{**base, **parts})


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (0, float("inf")), (float("-inf"), 0), (float("nan"), 1)])
def test_features_are_bounded(low, high):
    with pytest.raises(InputError, match="feature 'x': expected finite low < high"):
        Feature("x", low, high)


def test_pictures():
    spec = GraphSpec(SPEC.nodes, pictures=(Picture("map", (F, H), 3, 4), Picture("row", (G,), 1, 5)))
    arrays, space = spec.allocate(2), spec.observation_space()
    assert (arrays["map"].shape, arrays["row"].shape) == ((2, 2, 3, 4), (2, 1, 1, 5))
    assert arrays["map"].dtype == space["map"].dtype == np.float32
    assert (space["map"].low[:, 1, 2].tolist(), space["map"].high[:, 2, 3].tolist()) == ([-1, 2], [1, 3])
    assert {"map", "row"} <= set(spec.allocate(1, static=False))
    assert spec.schema()["pictures"] == {"map": ["f", "h"], "row": ["g"]}
    assert "pictures" not in SPEC.schema()
    for picture, message in (
        (Picture("map", (), 1, 1), "'map': expected a count of at least 1"),
        (Picture("map", (F,), 0, 1), "'map': expected a count of at least 1"),
        (Picture("map", (F, F), 1, 1), "feature 'f': given twice"),
        (Picture("task", (F,), 1, 1), "observation key 'task': given twice"),
    ):
        with pytest.raises(InputError, match=message):
            GraphSpec(SPEC.nodes, pictures=(picture,))
