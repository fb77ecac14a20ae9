"""The part of a graph that never changes: embedded by itself, once per instance, read through pointers."""

import json

import gymnasium as gym
import numpy as np
import pytest

import ganttlet
from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from ganttlet_agents.policy.acting import load_policy  # noqa: E402
from ganttlet_agents.policy.checkpoint import Card, LoadedPolicy, load_checkpoint, save_checkpoint  # noqa: E402
from ganttlet_agents.policy.config import NetworkConfig  # noqa: E402
from ganttlet_agents.policy.network import GraphPolicy  # noqa: E402
from ganttlet_agents.policy.schema import Schema  # noqa: E402
from ganttlet_agents.policy.scoring import PolicyEvaluator, PolicyScorer  # noqa: E402
from ganttlet_agents.policy.static import check_static  # noqa: E402
from ganttlet_agents.policy.statics import Statics  # noqa: E402
from ganttlet_agents.search import beam, greedy, sample  # noqa: E402
from policies import make_network, play, random_obs, tensors  # noqa: E402

assert ganttlet.__version__
ENV = "ganttlet/MemoryMapping-v0"
TOY = {"name": "toy", "instructions": [2, 5], "reuse": 0.7, "pressure": [0.3, 2.0], "intensity": [200.0, 2000.0]}
SHOWN = {"observation": "program", "lookahead": 6, "residents": 6}
ENCODERS = ("pointer", "attention")


def make(rows=4, **options):
    return gym.make_vec(ENV, rows, autoreset_mode="same_step", copy=False, **{"generator": TOY, **SHOWN, **options})


def network_of(env, encoder="pointer", **shape):
    return make_network(env.graph, encoder, static_rounds=2, **shape)


def count_calls(network):
    """Return a list to which every call of the static encoder adds the number of its instances."""
    calls = []
    network.static.register_forward_hook(lambda _, args, found: calls.append(len(found[1]["buffer"])))
    return calls


def some_actions(env, rng):
    return (rng.random(env.live_mask.shape) * env.live_mask).argmax(axis=1)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("source", [{}, {"pool_size": 3}, {"max_instructions": 40, "max_buffers": 60, "max_slots": 90}])
def test_by_number_and_as_observed_are_the_same(encoder, source):
    """Rows, an index, a larger padded space: the same logits, with gradients and without."""
    rng = np.random.default_rng(0)
    shown, indexed = make(), make(static="index", **source)
    if "pool_size" in source:
        shown = make(**source)
    network = network_of(shown, encoder)
    judge, statics = PolicyEvaluator(network, "cpu", indexed), Statics(network, indexed.static)
    shown.reset(seed=1)
    indexed.reset(seed=1)
    for _ in range(25):
        live = tensors(indexed.live_observation)
        expected = [part.detach().numpy() for part in network(tensors(shown.live_observation))]
        trained = [part.detach().numpy() for part in network(live, statics.of(live))]
        for found in (judge(indexed.live_observation), trained):
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-4)
        actions = some_actions(shown, rng)
        shown.step(actions)
        indexed.step(actions)


def test_each_node_that_points_reads_what_it_points_at():
    """Without rounds of the encoder that mix: a slot's embedding, by plain indexing into the program of its row."""
    env = make(3)
    env.reset(seed=4)
    network = network_of(env)
    obs = tensors(env.live_observation)
    given = []
    network.encoder.register_forward_pre_hook(lambda _, args: given.append(args[1]["slot"]))
    with torch.no_grad():
        network(obs)
        found, pooled = network.static(obs)
        blank = {**obs, **{f"slot_{end}_index": torch.full_like(obs["slot_next_index"], -1) for end in ENDS}}
        network(blank)
        for row in range(3):
            for at in range(int(obs["slot_mask"][row].sum())):
                extra = sum(
                    network.reads[f"slot_{end}"](found[end][row, obs[f"slot_{end}_index"][row, at]]) for end in ENDS
                )
                assert torch.allclose(given[0][row, at], given[1][row, at] + extra, atol=1e-5)
            real = found["buffer"][row, obs["buffer_mask"][row, : found["buffer"].shape[1]] == 1]
            assert torch.allclose(pooled["buffer"][row], real.mean(0), atol=1e-5)


ENDS = ("instruction", "buffer")


def test_an_instance_is_embedded_once_until_weights_change():
    env = make(5, static="index", pool_size=2)
    env.reset(seed=0)
    network = network_of(env)
    calls, score, rng = count_calls(network), PolicyScorer(network, "cpu", env), np.random.default_rng(1)
    met = set()
    for _ in range(40):
        score(env.live_observation)
        met |= set(env.live_observation["instance_id"][:, 0].tolist())
        env.step(some_actions(env, rng))
    assert len(met) == 2
    assert sum(calls) == 2
    before = score(env.live_observation)
    with torch.no_grad():
        next(network.static.parameters()).add_(1.0)
    assert not np.array_equal(score(env.live_observation), before)
    assert sum(calls) == 2 + len(set(env.live_observation["instance_id"][:, 0].tolist()))


def test_a_minibatch_embeds_each_instance_once_and_teaches_the_static_part():
    env = make(8, static="index", pool_size=3)
    env.reset(seed=0)
    network = network_of(env).train()
    calls, obs = count_calls(network), tensors(env.live_observation)
    logits, values = network(obs, Statics(network, env.static).of(obs))
    assert calls == [len(set(env.live_observation["instance_id"][:, 0].tolist()))]
    (torch.where(obs["action_mask"] != 0, logits, 0.0).sum() + values.sum()).backward()
    moved = {name: bool(part.grad.abs().sum() > 0) for name, part in network.static.named_parameters()}
    # The first round's keys of a sum over all edges may cancel; every kind of layer must be reached.
    for kind in ("inputs.instruction", "inputs.buffer", "sent.uses", "back.uses", "attr.uses", "sent.follows", "mix"):
        assert any(reached for name, reached in moved.items() if kind in name), kind


def test_an_instance_that_is_gone_is_known_while_it_is_kept():
    env = make(1, static="index")
    env.reset(seed=0)
    network = network_of(env)
    statics, first = Statics(network, env.static), tensors(env.live_observation)
    statics.meet(first["instance_id"])
    for _ in range(3):
        env.reset()
    statics.of(first)
    statics.keep(env.live_observation["instance_id"])
    with pytest.raises(InputError, match="is not, or no longer, in the pool"):
        statics.of(first)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_checkpoint_plays_by_number(tmp_path, encoder):
    """Saved and loaded; greedy, sampled and beam decoding, and act, as the same weights play what is observed."""
    options = {**SHOWN, "skip_forced": True}
    probe = make(1, skip_forced=True)
    network = network_of(probe, encoder)
    card = Card("memory_mapping", ENV, {**options, "static": "index"}, network.config.to_dict(), probe.graph.schema())
    save_checkpoint(tmp_path, network, card)
    loaded = load_checkpoint(tmp_path)
    score = loaded.scorer()
    calls = count_calls(loaded.network)
    program = get_family("memory_mapping").generate({**TOY, "instructions": [5, 5]}, 3)

    def batch(static):
        return gym.make_vec(
            ENV, 4, autoreset_mode="disabled", copy=False, instances=[program], static=static, **options
        )

    shown, indexed = batch("observe"), batch("index")
    loaded.check_graph(indexed.graph)
    for decode in (greedy, beam, lambda *args: sample(*args, samples=6, seed=1)):
        one = decode(shown, score, program)
        calls.clear()
        other = decode(indexed, score, program)
        assert calls == [1]
        assert one.solution == other.solution
    env = gym.make(ENV, instance=program, static="index", **options)
    policy = load_policy(tmp_path, env)
    obs, _ = env.reset()
    assert policy.act(obs) in np.flatnonzero(obs["action_mask"])
    with pytest.raises(InputError, match="static='observe'"):
        load_policy(tmp_path).act(obs)


def test_old_cards_have_no_static_rounds():
    config = NetworkConfig(encoder="pointer")
    data = {key: value for key, value in config.to_dict().items() if key != "static_rounds"}
    assert NetworkConfig.from_dict(json.loads(json.dumps(data))) == config


F = Feature("f", 0, 1)


def spec(edges=(), over="context", fixed=True):
    part = NodeType("part", 3, static_features=(F,), fixed=fixed)
    return GraphSpec((NodeType("step", 2, (F,)), part), edges, (F,), segments=(Segment(over),))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (GraphSpec((NodeType("step", 2, (F,)),), context=(F,), segments=(Segment("context"),)), "no node types of"),
        (spec(over="part"), "actions point at 'part'"),
        (spec((EdgeType("far", "step", "part", "list", 4),)), "edge 'far' joins"),
        (spec((EdgeType("at", "step", "part", "pointer", features=(F,)),)), "edge 'at' joins"),
        (spec((EdgeType("of", "part", "step", "pointer"),)), "edge 'of' joins"),
    ],
)
def test_graphs_that_cannot_be_split(graph, message):
    with pytest.raises(InputError, match=message):
        GraphPolicy(Schema.of(graph), NetworkConfig(encoder="pointer", width=8, static_rounds=1))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_nodes_that_are_moved_together_still_point_at_the_same(encoder, monkeypatch):
    """Masked nodes anywhere, and a focus on a node that never changes."""
    graph = GraphSpec(
        (NodeType("step", 12, (F,)), NodeType("part", 6, static_features=(F,), fixed=True)),
        (EdgeType("at", "step", "part", "pointer"), EdgeType("near", "part", "part", "list", 5, static=True)),
        (F,),
        (("here", "part"),),
        ("only",),
        (Segment("step"), Segment("context")),
    )
    network, obs = make_network(graph, encoder, static_rounds=2), random_obs(graph, 7, share=0.4)
    results = []
    for crowded in (0.0, 1.1):
        monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", crowded)
        results.append(play(network, obs))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    lost = {**obs, "focus_here": np.full_like(obs["focus_here"], -1)}
    changed = ~np.isclose(play(network, lost)[1], results[1][1], atol=1e-4)
    assert changed.tolist() == (obs["focus_here"][:, 0] >= 0).tolist()


def test_what_is_called_constant_must_be_declared_so():
    check_static(spec((EdgeType("next", "part", "part", "pointer", static=True),)))
    with pytest.raises(InputError, match="node type 'part' may come and go"):
        check_static(spec(fixed=False))
    moving = spec((EdgeType("next", "part", "part", "pointer"),))
    with pytest.raises(InputError, match="edge 'next' may change"):
        check_static(moving)
    network = GraphPolicy(Schema.of(moving), NetworkConfig(encoder="pointer", width=8, static_rounds=1))
    card = Card("memory_mapping", ENV, {}, network.config.to_dict(), moving.schema())
    with pytest.raises(InputError, match="edge 'next' may change"):
        LoadedPolicy(network, card, "cpu").check_graph(moving)
