"""Trimming, candidates and GraphPolicy, on the job shop and on graphs with every kind of block."""

import warnings

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.job_shop import JobShopInstance

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from ganttlet_agents.policy.batch import ILLEGAL, candidates, prepare, scatter_logits  # noqa: E402
from ganttlet_agents.policy.config import NetworkConfig  # noqa: E402
from ganttlet_agents.policy.network import GraphPolicy  # noqa: E402
from ganttlet_agents.policy.schema import Schema  # noqa: E402
from policies import (  # noqa: E402
    SMALL,
    enlarge,
    items_of,
    make_network,
    make_spec,
    play,
    random_obs,
    tensors,
)

SPEC = make_spec()
ENCODERS = ("attention", "pointer", "gnn", "tree", "dag", "deepsocs")
NETWORKS = [(encoder, dense) for encoder in ENCODERS for dense in (True, False)]
JOB_SHOP = [
    *(("attention", kind) for kind in ("jobs", "machines", "graph")),
    *(("pointer", kind) for kind in ("jobs", "machines", "graph")),
    *(("gnn", kind) for kind in ("machines", "graph")),
    *((name, "graph") for name in ("dag", "deepsocs")),
]
# Three jobs of 3, 1 and 2 operations, and four of 2; the last job of the first ends first under SPT.
UNEVEN = JobShopInstance("uneven", [[0, 1, 2], [2, -1, -1], [1, 0, -1]], [[3, 8, 2], [4, 0, 0], [1, 2, 0]], 3)
FOUR = JobShopInstance("four", [[0, 1], [1, 0], [0, 1], [1, 0]], [[4, 3], [2, 5], [3, 6], [1, 2]], 2)


def close(one, other):
    return np.allclose(one, other, rtol=1e-5, atol=1e-5)


def job_shop(kind, rows=1, **options):
    return gym.make_vec("ganttlet/JobShop-v0", rows, observation=kind, autoreset_mode="disabled", **options)


# Candidates address the actions that GraphSpec.decode gives.


@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_the_legal_actions(seed):
    obs = random_obs(SPEC, 9, seed)
    schema = Schema.of(SPEC)
    batch = prepare(schema, tensors(obs))
    found = candidates(schema, batch)
    actions = [set() for _ in range(9)]
    for segment, some in zip(SPEC.segments, found, strict=True):
        assert some.legal.any(1).all()
        for at, one in some.legal.nonzero().tolist():
            item = int(some.item[at])
            action = some.first + item * segment.logits + one
            assert SPEC.decode(action) == (segment, item, one)
            actions[int(some.row[at])].add(action)
    assert actions == [set(np.flatnonzero(mask).tolist()) for mask in obs["action_mask"]]

    # Logits that are their own action's number come out at that number.
    def number(some):
        k = some.segment.logits
        return (some.first + some.item.unsqueeze(-1) * k + torch.arange(k)).float()

    logits = scatter_logits(batch, [(some, number(some)) for some in found]).numpy()
    assert np.array_equal(logits, np.where(obs["action_mask"] != 0, np.arange(SPEC.n_actions), np.float32(ILLEGAL)))


def test_a_node_segment_with_two_logits():
    spec = GraphSpec((NodeType("job", 3, (Feature("f", 0, 1),)),), segments=(Segment("job", 2),))
    obs = spec.allocate(1)
    obs["job_mask"][0] = [1, 0, 1]
    obs["action_mask"][0] = [0, 1, 0, 0, 1, 1]
    (some,) = candidates(Schema.of(spec), prepare(Schema.of(spec), tensors(obs)))
    assert some.row.tolist() == [0, 0]
    assert some.item.tolist() == [0, 2]
    assert some.legal.tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("over", ["near", "may", "at", "far", "task", "context"])
def test_what_a_head_reads_of_a_candidate(over, monkeypatch):
    """Each item's logits against the head applied to what the item is, found by plain indexing."""
    monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", 0.0)
    spec = make_spec(dense=over == "far", segments=(Segment(over, 2),))
    network = make_network(spec, "attention", layers=1)
    obs = random_obs(spec, 6, 3)
    batch = prepare(network.schema, tensors(obs))
    with torch.no_grad():
        around = network.context(torch.asinh(batch.context)) + network.phase(batch.phase)
        nodes = {name: net(torch.asinh(batch.nodes[name])) for name, net in network.inputs.items()}
        encoded = network.encoder(batch, {name: value + around.unsqueeze(1) for name, value in nodes.items()})
        logits = play(network, obs)[0]
        edge = next((edge for edge in spec.edges if edge.name == over), None)
        for row in range(6):
            shared = around[row].clone()
            for name, target in spec.focus:
                if obs[f"focus_{name}"][row, 0] >= 0:
                    chosen = encoded.nodes[target][row, obs[f"focus_{name}"][row, 0]]
                    shared += network.focus[name].weight @ chosen
            for item in items_of(spec, obs, row)[over]:
                parts = [shared]
                if edge is not None:
                    ends = {
                        "list": lambda item=item, row=row: obs[f"{over}_index"][row, :, item],
                        "pointer": lambda item=item, row=row: (item, obs[f"{over}_index"][row, item]),
                        "dense": lambda item=item: divmod(item, spec.node(edge.target).count),
                    }[edge.kind]()
                    found = [
                        encoded.nodes[name][row, int(end)] if end >= 0 else torch.zeros(8)
                        for name, end in zip((edge.source, edge.target), ends, strict=True)
                    ]
                    parts = [*found, *parts]
                    if edge.features:
                        values = obs[over][row][tuple(ends)] if edge.kind == "dense" else obs[over][row, item]
                        parts.append(network.edge_inputs[over](torch.asinh(torch.from_numpy(values))))
                elif over == "context":
                    real = {name: torch.from_numpy(obs[f"{name}_mask"][row] != 0) for name in network.schema.nodes}
                    parts += [
                        encoded.nodes[name][row][mask[: batch.masks[name].shape[1]]].mean(0)
                        for name, mask in real.items()
                    ]
                else:
                    at, one = torch.tensor([item]), encoded.nodes[over][row, item].unsqueeze(0)
                    parts = [encoded.refine(over, torch.tensor([row]), at, one)[0], *parts]
                expected = network.heads[0](torch.cat(parts)).numpy()
                for logit in range(2):
                    if obs["action_mask"][row, 2 * item + logit]:
                        assert close(logits[row, 2 * item + logit], expected[logit])


# Padding.


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_larger_space_changes_nothing(encoder, dense, seed):
    spec, large = make_spec(dense=dense), make_spec(7, 5, 4, 11, 8, dense=dense)
    network = make_network(spec, encoder)
    obs = random_obs(spec, 5, seed)
    padded, moved = enlarge(spec, large, obs)
    logits, values = play(network, obs)
    wide, others = play(network, padded)
    assert close(values, others)
    assert wide.shape == (5, large.n_actions)
    assert close(logits, wide[:, moved])
    assert (wide[padded["action_mask"] == 0] == ILLEGAL).all()
    assert (wide[padded["action_mask"] != 0] > ILLEGAL).all()


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
def test_rows_do_not_see_each_other(encoder, dense):
    spec = make_spec(dense=dense)
    network = make_network(spec, encoder)
    obs = random_obs(spec, 8, 5)
    logits, values = play(network, obs)
    for row in range(8):
        alone, value = play(network, {key: part[row : row + 1] for key, part in obs.items()})
        assert close(logits[row], alone[0])
        assert close(values[row], value[0])


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
@pytest.mark.parametrize("seed", range(3))
def test_moving_nodes_together_changes_nothing(encoder, dense, seed, monkeypatch):
    """Most nodes are masked anywhere; the actions keep their numbers in the padded space."""
    spec = make_spec(7, 6, 5, 11, 8, dense=dense)
    network = make_network(spec, encoder)
    obs = random_obs(spec, 4, seed, share=0.35)
    found = {}
    for share in (0.0, 0.75, 9.0):
        monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", share)
        batch = prepare(network.schema, tensors(obs))
        widths = {name: mask.shape[1] for name, mask in batch.masks.items()}
        found[share] = (set(batch.moved), widths, *play(network, obs))
    assert [len(found[share][0]) for share in (0.0, 9.0)] == [0, 3]
    most = {node.name: int((obs[f"{node.name}_mask"] != 0).sum(1).max()) for node in spec.nodes}
    assert found[9.0][1] == most
    assert found[0.75][0] == {name for name, width in found[0.0][1].items() if most[name] <= 0.75 * width} != set()
    for share in (0.75, 9.0):
        assert close(found[0.0][2], found[share][2])
        assert close(found[0.0][3], found[share][3])


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
def test_what_padding_holds_does_not_matter(encoder, dense):
    spec = make_spec(dense=dense)
    network, obs = make_network(spec, encoder), random_obs(spec, 6, 2)
    expected = play(network, obs)
    for node in spec.nodes:
        hidden = obs[f"{node.name}_mask"] == 0
        for key in (node.name, f"{node.name}_static"):
            if key in obs:
                obs[key][hidden] = 9
        for edge in spec.edges:
            if edge.kind == "pointer" and edge.source == node.name:
                obs[f"{edge.name}_index"][hidden] = spec.node(edge.target).count - 1
    found = play(network, obs)
    assert close(expected[0], found[0])
    assert close(expected[1], found[1])


@pytest.mark.parametrize("encoder", ["pointer", "gnn", "attention", "tree"])
@pytest.mark.parametrize("masked", [1, 3])
def test_an_edge_to_a_masked_node_is_no_edge(encoder, masked):
    """As those of finished jobs: the last of its type, which is cut off, and one between others."""
    spec = make_spec(dense=False)
    network, obs = make_network(spec, encoder), random_obs(spec, 1, 1)
    obs["task_mask"][0], obs["place_mask"][0], obs["focus_chosen"][0] = 1, 1, -1
    obs["task_mask"][0, masked] = 0
    obs["near_index"][0], obs["after_index"][0], obs["at_index"][0] = -1, -1, [0, 1, 1, 0]
    obs["after_index"][0, 0], obs["at_index"][0, masked] = 2, -1
    for action in range(spec.n_actions):
        segment, item, _ = spec.decode(action)
        obs["action_mask"][0, action] = (segment.over == "task" and item != masked) or segment.over == "place"
    expected = play(network, obs)
    obs["near_index"][0, :, 1:3] = [[0, masked], [masked, 2]]
    obs["after_index"][0, 2], obs["at_index"][0, masked], obs["focus_chosen"][0] = masked, 2, masked
    found = play(network, obs)
    assert close(expected[0], found[0])
    assert close(expected[1], found[1])


@pytest.mark.parametrize(("encoder", "kind"), JOB_SHOP)
def test_job_shop_rows_alone_stacked_and_padded(encoder, kind):
    """Over a whole episode, through the terminal observation, in which every action is allowed."""
    instances = [UNEVEN, FOUR]
    stacked = job_shop(kind, 2, instances=instances, max_jobs=6, max_machines=5, max_ops=4)
    alone = [job_shop(kind, 1, instances=[one]) for one in instances]
    network = make_network(stacked.unwrapped.graph, encoder)
    many, _ = stacked.reset(seed=0, options={"instance": instances})
    single = [env.reset(seed=0)[0] for env in alone]
    rng = np.random.default_rng(0)
    for _ in range(9):
        logits, values = play(network, many)
        assert np.isfinite(logits).all()
        actions = np.zeros(2, np.int64)
        for row, env in enumerate(alone):
            expected, value = play(network, single[row])
            count = expected.shape[1]
            live = single[row]["job_mask"].any()
            assert close(values[row], value[0])
            assert not live or close(logits[row, :count], expected[0])
            assert not live or (logits[row][many["action_mask"][row] == 0] == ILLEGAL).all()
            actions[row] = rng.choice(np.flatnonzero(single[row]["action_mask"][0]))
            single[row] = env.step(actions[row : row + 1])[0]
        many = stacked.step(actions)[0]
    assert stacked.unwrapped.done.all()


# Equivariance.


@pytest.mark.parametrize(("encoder", "kind"), JOB_SHOP)
def test_permuted_jobs_permute_the_logits(encoder, kind):
    order = [2, 0, 1]
    turned = JobShopInstance("turned", UNEVEN.machine[order], UNEVEN.duration[order], 3)
    envs = [job_shop(kind, 1, instances=[one]) for one in (UNEVEN, turned)]
    network = make_network(envs[0].unwrapped.graph, encoder)
    obs = [env.reset(seed=0)[0] for env in envs]
    for job in (0, 2, 0, 1, 0):
        (logits, value), (others, other) = (play(network, one) for one in obs)
        assert close(logits[:, order], others)
        assert close(value, other)
        if not obs[0]["action_mask"][0, job]:
            job = int(np.flatnonzero(obs[0]["action_mask"][0])[0])
        obs = [env.step(np.array([one]))[0] for env, one in zip(envs, (job, order.index(job)), strict=True)]


@pytest.mark.parametrize(("encoder", "kind"), [one for one in JOB_SHOP if one[1] != "jobs"])
def test_renumbered_machines_change_nothing(encoder, kind):
    number = np.array([2, 0, 1, -1])
    turned = JobShopInstance("turned", number[UNEVEN.machine], UNEVEN.duration, 3)
    envs = [job_shop(kind, 1, instances=[one]) for one in (UNEVEN, turned)]
    network = make_network(envs[0].unwrapped.graph, encoder)
    (logits, value), (others, other) = (play(network, env.reset(seed=0)[0]) for env in envs)
    assert close(logits, others)
    assert close(value, other)


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
def test_permuted_nodes_of_every_kind(encoder, dense):
    spec = make_spec(dense=dense)
    network, obs = make_network(spec, encoder), random_obs(spec, 4, 8)
    rng = np.random.default_rng(0)
    order = {node.name: rng.permutation(node.count) for node in spec.nodes}
    place = {name: np.append(np.argsort(one), -1) for name, one in order.items()}
    slots = {edge.name: rng.permutation(edge.count) for edge in spec.edges if edge.kind == "list"}
    turned = {key: part.copy() for key, part in obs.items()}
    for node in spec.nodes:
        for key in (node.name, f"{node.name}_static", f"{node.name}_mask"):
            if key in obs:
                turned[key] = obs[key][:, order[node.name]]
    for edge in spec.edges:
        index = obs.get(f"{edge.name}_index")
        if edge.kind == "list":
            ends = [place[edge.source][index[:, 0]], place[edge.target][index[:, 1]]]
            turned[f"{edge.name}_index"] = np.stack(ends, 1)[:, :, slots[edge.name]].astype(np.int32)
            if edge.features:
                turned[edge.name] = obs[edge.name][:, slots[edge.name]]
        elif edge.kind == "pointer":
            turned[f"{edge.name}_index"] = place[edge.target][index][:, order[edge.source]].astype(np.int32)
            if edge.features:
                turned[edge.name] = obs[edge.name][:, order[edge.source]]
        else:
            turned[edge.name] = obs[edge.name][:, order[edge.source]][:, :, order[edge.target]]
    for name, target in spec.focus:
        turned[f"focus_{name}"] = place[target][obs[f"focus_{name}"]].astype(np.int32)
    moved = [_moved(spec, action, order, slots) for action in range(spec.n_actions)]
    turned["action_mask"] = obs["action_mask"][:, moved]
    logits, values = play(network, obs)
    others, same = play(network, turned)
    assert close(logits[:, moved], others)
    assert close(values, same)


def _moved(spec, action, order, slots):
    """Return the action of the observation before that ``action`` of the permuted one stands for."""
    segment, item, logit = spec.decode(action)
    first = sum(spec.items(one) * one.logits for one in spec.segments[: spec.segments.index(segment)])
    edge = next((edge for edge in spec.edges if edge.name == segment.over), None)
    if edge is None:
        item = order[segment.over][item] if segment.over in order else item
    elif edge.kind == "list":
        item = slots[edge.name][item]
    elif edge.kind == "pointer":
        item = order[edge.source][item]
    else:
        count = spec.node(edge.target).count
        item = order[edge.source][item // count] * count + order[edge.target][item % count]
    return first + item * segment.logits + logit


# What the network depends on.


@pytest.mark.parametrize("encoder", ["attention", "pointer"])
def test_context_actions_see_the_nodes(encoder):
    """As those of a family without other actions: place at the left, in the middle or at the right."""
    spec = GraphSpec((NodeType("slot", 3, (Feature("f", -9, 9),)),), segments=(Segment("context", 3),))
    network = make_network(spec, encoder)
    obs = spec.allocate(2)
    obs["slot_mask"][:], obs["action_mask"][:] = 1, 1
    obs["slot"][1, 2] = 3
    logits, _ = play(network, obs)
    assert not np.isclose(logits[0], logits[1]).any()


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
@pytest.mark.parametrize("key", ["context", "phase", "focus_chosen", "focus_here"])
def test_context_phase_and_focus_are_read(encoder, dense, key):
    spec = make_spec(dense=dense)
    network, obs = make_network(spec, encoder), random_obs(spec, 1, 4)
    obs["task_mask"][:], obs["place_mask"][:] = 1, 1
    for name in ("focus_chosen", "focus_here"):
        obs[name][:] = 1
    before = play(network, obs)
    for value in (-1, 2) if key.startswith("focus") else (0, 2) if key == "phase" else (-3.5,):
        obs[key][:] = value
        if key == "phase" and value == before_phase(spec):
            continue
        after = play(network, obs)
        legal = obs["action_mask"] != 0
        assert not np.isclose(before[0][legal], after[0][legal]).any()
        assert not np.isclose(before[1], after[1]).any()


def before_phase(spec):
    return int(random_obs(spec, 1, 4)["phase"][0, 0])


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
@pytest.mark.parametrize("seed", range(2))
def test_an_illegal_action_has_no_probability(encoder, dense, seed):
    spec = make_spec(dense=dense)
    network, obs = make_network(spec, encoder), random_obs(spec, 20, seed, legal=0.2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)  # large logits of both signs
        logits, _ = network(tensors(obs))
    assert torch.isfinite(logits).all()
    chance = logits.softmax(-1).numpy()
    assert (chance[obs["action_mask"] == 0] == 0).all()
    assert np.allclose(chance.sum(1), 1)


def missing_gradients(network, obs):
    """Return the parameters that a loss over all legal logits and values does not reach."""
    logits, values = network(tensors(obs))
    (logits[torch.from_numpy(obs["action_mask"]) != 0].square().sum() + values.square().sum()).backward()
    return [
        name
        for name, one in network.named_parameters()
        if one.grad is None or (one.numel() and not one.grad.any()) or not torch.isfinite(one.grad).all()
    ]


@pytest.mark.parametrize(("encoder", "dense"), NETWORKS)
def test_gradients_reach_every_parameter(encoder, dense):
    spec = make_spec(dense=dense)
    network = make_network(spec, encoder)
    # Nodes without an edge to read take no part in torch-geometric's rounds.
    idle = [f"encoder.norms.{layer}.bare.{part}" for layer in (0, 1) for part in ("weight", "bias")]
    assert missing_gradients(network, random_obs(spec, 16, 1)) == (idle if encoder == "gnn" else [])


@pytest.mark.parametrize(("encoder", "kind"), JOB_SHOP)
@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_on_the_job_shop(encoder, kind, layers):
    env = job_shop(kind, 4)
    network = make_network(env.unwrapped.graph, encoder, layers=layers)
    # Without pointers there is no relation to weigh: that parameter has no elements.
    empty = (
        [f"encoder.layers.{layer}.bias" for layer in range(layers)] if (encoder, kind) == ("attention", "jobs") else []
    )
    assert missing_gradients(network, env.reset(seed=3)[0]) == empty


def test_construction_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("default", message=".*torch.jit.script", category=DeprecationWarning)
        network = GraphPolicy(Schema.of(make_spec()), NetworkConfig(**SMALL))
        plain = GraphSpec((NodeType("job", 2),), segments=(Segment("job"), Segment("context")))
        bare = GraphPolicy(Schema.of(plain), NetworkConfig(**SMALL))
        play(network, random_obs(make_spec(), 2))
    obs = plain.allocate(1)
    obs["job_mask"][:], obs["action_mask"][:] = 1, 1
    logits, _ = play(bare, obs)
    assert np.isfinite(logits).all()


def test_terminal_observations_allow_everything():
    """No item is there, every action allowed: the logits are equal, the value finite."""
    for encoder, dense in NETWORKS:
        spec = make_spec(dense=dense)
        obs = random_obs(spec, 2, 1)
        for node in spec.nodes:
            obs[f"{node.name}_mask"][0] = 0
        obs["action_mask"][0] = 1
        logits, values = play(make_network(spec, encoder), obs)
        nodes = [action for action in range(spec.n_actions) if spec.decode(action)[0].over != "context"]
        assert (logits[0, nodes] == ILLEGAL).all()
        assert np.isfinite(values).all()


# What is refused.


@pytest.mark.parametrize("key", [key for key in SPEC.allocate(1)])
def test_a_missing_block_is_named(key):
    obs = tensors(random_obs(SPEC, 1))
    del obs[key]
    with pytest.raises(InputError, match=f"observation: key '{key}' is missing"):
        make_network(SPEC)(obs)


@pytest.mark.parametrize("key", ["task", "task_static", "place_static", "may", "at", "far", "context"])
def test_other_features_are_named(key):
    obs = tensors(random_obs(SPEC, 1))
    obs[key] = torch.cat([obs[key], obs[key][..., :1]], -1)
    with pytest.raises(
        InputError, match=f"observation: '{key.removesuffix('_static')}' has . features, the policy expects"
    ):
        make_network(SPEC)(obs)


def test_other_actions_and_a_missing_batch_axis():
    obs, network = tensors(random_obs(SPEC, 1)), make_network(SPEC)
    with pytest.raises(InputError, match=rf"'action_mask' has {SPEC.n_actions + 1} actions, .* {SPEC.n_actions}$"):
        network({**obs, "action_mask": torch.ones(1, SPEC.n_actions + 1)})
    with pytest.raises(InputError, match="expected a leading batch axis"):
        network({key: part[0] for key, part in obs.items()})


def test_an_edge_type_without_features_in_a_segment():
    spec = GraphSpec(
        (NodeType("a", 3, (Feature("f", -9, 9),)),),
        (EdgeType("next", "a", "a", "pointer"),),
        segments=(Segment("next"),),
    )
    obs = spec.allocate(2)
    obs["a"][:] = np.arange(6).reshape(2, 3, 1)
    obs["a_mask"][:], obs["action_mask"][:] = 1, 1
    obs["next_index"][:] = [[1, 2, -1], [2, 0, 0]]
    logits, _ = play(make_network(spec, "pointer"), obs)
    assert len(set(logits.ravel().tolist())) == 6
