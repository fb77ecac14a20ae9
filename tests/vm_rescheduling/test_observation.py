"""Observations of VMRescheduling-v0 against plain Python, by hand, and after resets."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_vm import ALIKE, LONE, UNLIKE, cluster
from ganttlet.vm_rescheduling.batch import VMReschedulingVectorEnv
from ganttlet.vm_rescheduling.instance import Cluster
from reference.play import MODES, legal_actions
from reference.vm_strategies import clusters
from reference.vm_walk import SPACE, blocks, compare, make, walk

OBJECTIVES = ("fr16", "mixed", "goal")
KINDS = list(itertools.product(OBJECTIVES, ("plain", "gains"), (False, True)))


@pytest.mark.parametrize("masking", ["exact", "penalty"])
@pytest.mark.parametrize(("objective", "observation", "merge"), KINDS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_feature(objective, observation, merge, masking, data):
    ways = [("dense", "stop"), ("terminal", "stop")]
    ways += [("dense", "cut"), ("terminal", "cut")] if objective != "goal" else []
    ways += [("vmr2l", "stop")] if objective == "fr16" else []
    reward, ending = data.draw(st.sampled_from(ways))
    walk(
        data.draw(clusters()),
        np.random.default_rng(data.draw(st.integers(0, 99))),
        objective=objective,
        observation=observation,
        merge=merge,
        masking=masking,
        reward=reward,
        ending=ending,
        gamma=0.9,
        infeasible_penalty=2.5,
    )


@pytest.mark.parametrize(("observation", "merge"), [("plain", False), ("gains", False), ("gains", True)])
@pytest.mark.parametrize("given_", [UNLIKE, ALIKE, LONE], ids=["unlike", "alike", "lone"])
def test_episodes_by_hand(given_, observation, merge):
    """Small clusters played many times over, without illegal actions."""
    for seed in range(8):
        walk(
            Cluster.from_dict(given_),
            np.random.default_rng(seed),
            wild=False,
            observation=observation,
            merge=merge,
        )


@pytest.mark.parametrize("merge", [False, True])
def test_more_kinds_than_bits_in_a_word(merge):
    """VMs of 70 different kinds, hosts so full that a move changes where many of them fit."""
    vms = [(1 + v // 10, 3 + v % 10, v % 4, v % 2) for v in range(70)]
    free = np.zeros((4, 2, 2), int)
    for cores, memory, host, numa in vms:
        free[host, numa] += (cores, memory)
    hosts = [
        tuple(zip(*((free[i, k] + (i + k, 2 * i + 3 * k)).tolist() for k in (0, 1)), strict=True)) for i in range(4)
    ]
    instance = Cluster.from_dict(cluster(hosts, vms, limit=4, block=4, groups=[(0, 3), (0, 4)]))
    space = {"max_vms": 70, "max_kinds": 70}
    for seed in range(3):
        walk(instance, np.random.default_rng(seed), wild=False, merge=merge, observation="gains", **space)


def test_huge_numbers():
    """Cores and MB up to the limit of int32, on one host and on a thousand times smaller ones."""
    top = 2**31 - 1
    hosts = [((top, top), (top, top)), ((2**21, 5), (2**21, 1)), ((0, 0), (0, 0))]
    vms = [(top, 1, 0, 0), (2**20, top - 1, 0, 1), (3, 0, 1, 1), (2**21 - 2, 7, 1, 0)]
    for block in (1, 16, 10**9, top):
        instance = Cluster.from_dict(cluster(hosts, vms, block=block, memory_block=block, limit=3, goal=0.0))
        for seed, objective in enumerate(OBJECTIVES):
            rng = np.random.default_rng(seed)
            walk(instance, rng, objective=objective, observation="gains", wild=False)


@pytest.mark.parametrize("masking", ["exact", "penalty"])
def test_hosts_of_one_numa_node(masking):
    """There is no other node to flip to."""
    hosts = [((9,), (9,)), ((7,), (9,)), ((3,), (5,))]
    vms = [(2, 1, 0, 0), (3, 2, 0, 0), (6, 1, 1, 0), (1, 1, 2, 0)]
    instance = Cluster.from_dict(cluster(hosts, vms, block=4, limit=3))
    for seed in range(6):
        walk(instance, np.random.default_rng(seed), masking=masking, observation="gains", merge=True)


def named(observation, spec):
    """The columns of every block of row 0 by name."""
    found = {
        node.name: {f.name: observation[node.name][0, :, at].tolist() for at, f in enumerate(node.features)}
        for node in spec.nodes
    }
    return found | {"context": {f.name: float(x) for f, x in zip(spec.context, observation["context"][0], strict=True)}}


# As in test_reference.py: 6 + 16 free cores on host 0, 10 + 0 on host 1, 16 + 16 on host 2.
BY_HAND = cluster(
    [((16, 16), (8, 8)), ((16, 16), (8, 8)), ((16, 16), (8, 8))],
    [(10, 1, 0, 0), (6, 2, 1, 0), (16, 8, 1, 1), (2, 2, 2, 0), (14, 6, 2, 0)],
    limit=4,
    memory_block=4,
    mix=0.25,
)


def test_by_hand():
    instance = Cluster.from_dict(BY_HAND)
    env = VMReschedulingVectorEnv(1, instance=instance, observation="gains", objective="mixed")
    observation, _ = env.reset(seed=0)
    shown = named(observation, env.graph)
    vm, pm, context = shown["vm"], shown["pm"], shown["context"]
    assert vm["cores_0"] == pytest.approx([10 / 32, 6 / 32, 0.0, 2 / 32, 14 / 32])
    assert vm["cores_1"] == pytest.approx([0.0, 0.0, 0.5, 0.0, 0.0])
    assert vm["memory_1"] == pytest.approx([0.0, 0.0, 0.5, 0.0, 0.0])
    assert vm["fragment_0"] == pytest.approx([10 / 16, 6 / 16, 0.0, 2 / 16, 14 / 16])
    assert vm["fragment_1"] == [0.0] * 5  # 16 cores are one block
    assert vm["memory_fragment_0"] == pytest.approx([1 / 4, 2 / 4, 0.0, 2 / 4, 2 / 4])
    assert pm["free_0"] == pytest.approx([6 / 32, 10 / 32, 0.0])
    assert pm["fragment_share_0"] == [1.0, 1.0, 0.0]
    assert pm["fragment_0"] == pytest.approx([6 / 16, 10 / 16, 0.0])
    assert (pm["fragment_share_1"], pm["fragment_1"]) == ([0.0] * 3, [0.0] * 3)
    assert pm["memory_fragment_0"] == pytest.approx([3 / 4, 2 / 4, 0.0])
    # 6 + 10 of 48 free cores are fragments; 3 + 2 of 7 + 8 + 6 + 8 free MB.
    assert context == pytest.approx(
        {
            "progress": 0.0,
            "moves_left": 4.0,
            "vms": 5.0,
            "hosts": 3.0,
            "fragment_rate": 16 / 48,
            "free": 0.5,
            "mixed": 0.25 * 16 / 48 + 0.75 * 5 / 29,
        }
    )
    # Leaving: VM 0 makes 6 free cores 16, VM 3 makes none 2.
    assert vm["leave"] == pytest.approx([6 / 16, 10 / 16, 0.0, -2 / 16, -14 / 16])
    # Entering: VM 0 fills host 1's ten; VM 1 host 0's six; VM 2 breaks nothing; VM 3 takes 2 of 6 or of 10.
    assert vm["enter"] == pytest.approx([10 / 16, 6 / 16, 0.0, 2 / 16, -2 / 16])
    bent = lambda cores: cores / 16 - 0.6 * (cores / 16) ** 3  # noqa: E731
    assert vm["leave_potential"] == pytest.approx([bent(6), bent(10), 0.0, -bent(2), -bent(14)])
    assert vm["enter_potential"][3] == pytest.approx(max(bent(6) - bent(4), bent(10) - bent(8)))
    # VM 2 needs 16 cores and 8 MB on one node: hosts 0 and 2 have them.
    assert vm["hosts"] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2 / 3, 1 / 3])
    assert not any(any(pm[f"{name}_{flip}"]) for name in ("fits", "gain", "gain_potential") for flip in (0, 1))
    assert observation["on_index"][0].tolist() == [0, 1, 1, 2, 2]
    assert (observation["focus_vm"][0, 0], observation["phase"][0, 0]) == (-1, 0)

    observation = env.step(np.array([1]))[0]
    pm = named(observation, env.graph)["pm"]
    assert (observation["focus_vm"][0, 0], observation["phase"][0, 0]) == (1, 1)
    assert (pm["fits_0"], pm["fits_1"]) == ([1.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    # Ten cores leave as fragments; six, none or ten come instead.
    assert pm["gain_0"] == pytest.approx([1.0, 0.0, 0.0])
    assert pm["gain_1"] == pytest.approx([0.0, 0.0, 0.0])
    assert pm["gain_potential_0"] == pytest.approx([bent(6) + bent(10), 0.0, 0.0])

    observation = env.step(np.array([5]))[0]
    shown = named(observation, env.graph)
    assert observation["on_index"][0].tolist() == [0, 0, 1, 2, 2]
    assert shown["pm"]["free_0"] == pytest.approx([0.0, 0.5, 0.0])
    assert (shown["context"]["progress"], shown["context"]["moves_left"]) == (0.25, 3.0)
    assert shown["context"]["fragment_rate"] == 0.0


def test_merging_by_hand():
    """Four equal VMs, one of them in a group and one on another node: two stand for themselves."""
    vms = [(2, 1, 0, 0), (2, 1, 0, 0), (2, 1, 0, 1), (2, 1, 0, 0), (2, 1, 0, 0)]
    env, _ = make(Cluster.from_dict(cluster([((9, 9), (9, 9))] * 2, vms, groups=[(0, 3)], limit=3)), merge=True)
    observation, _ = env.reset(seed=0)
    assert observation["vm_mask"][0, :5].tolist() == observation["action_mask"][0, :5].tolist() == [1, 0, 1, 1, 0]
    assert named(observation, env.graph)["vm"]["count"][:5] == [3.0, 0.0, 1.0, 1.0, 0.0]
    assert observation["on_index"][0, :5].tolist() == [0, -1, 0, 0, -1]
    n_vms = SPACE["max_vms"]
    for action in (0, n_vms + 1):  # VM 0 joins VM 2 on the other node
        observation = env.step(np.array([action]))[0]
    assert named(observation, env.graph)["vm"]["count"][:5] == [2.0, 2.0, 0.0, 1.0, 0.0]
    for action in (1, n_vms + 2):  # VM 1 leaves, VM 4 remains
        observation = env.step(np.array([action]))[0]
    assert named(observation, env.graph)["vm"]["count"][:5] == [2.0, 1.0, 0.0, 1.0, 1.0]
    assert observation["on_index"][0, :5].tolist() == [0, 1, -1, 0, 0]


@pytest.mark.parametrize("merge", [False, True])
def test_no_row_of_a_larger_instance_is_left_by_a_partial_reset(merge):
    options = {"observation": "gains", "objective": "goal", "merge": merge}
    env = VMReschedulingVectorEnv(2, instance=UNLIKE, **options, **SPACE)
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(2)
    for _ in range(3):
        before, _, _, _, info = env.step(legal_actions(info["action_mask"], rng))
    small = Cluster.from_dict(LONE)
    after, _ = env.reset(options={"instance": small, "reset_mask": np.array([False, True])})
    _, oracle = make(small, **options)
    compare(env, after, blocks(oracle, env.graph, options), row=1)
    assert all(np.array_equal(after[key][0], before[key][0]) for key in after)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "Disabled"])
@pytest.mark.parametrize("limit", [3, None])
def test_no_row_of_a_larger_instance_is_left_by_autoreset(mode, limit):
    """After an episode that ended or was cut off halfway."""
    options = {"observation": "gains", "merge": True}
    small = Cluster.from_dict(LONE)
    env = VMReschedulingVectorEnv(2, instance=small, **options, **SPACE, autoreset_mode=mode, max_episode_steps=limit)
    rng = np.random.default_rng(3)
    _, info = env.reset(seed=0, options={"instance": UNLIKE})
    done = np.zeros(2, bool)
    while not done.any():
        observation, _, terminated, truncated, info = env.step(legal_actions(info["action_mask"], rng))
        done = terminated | truncated
    if mode == "NextStep":
        observation = env.step(legal_actions(info["action_mask"], rng))[0]
    _, oracle = make(small, **options)
    for row in np.flatnonzero(done):
        compare(env, observation, blocks(oracle, env.graph, options), row=int(row))


def test_how_far_behind_by_hand():
    """Under ``cut`` the context tells how many blocks the plan has lost since it was best."""
    env = VMReschedulingVectorEnv(1, instance=BY_HAND, ending="cut")
    observation, info = env.reset(seed=0)
    behind, paid, kept = [], [], []
    # VM 1 completes host 1's block and fills host 0's; VM 3 breaks a block there and leaves 2 cores; it comes back.
    for action in (1, 5, 3, 5 + 2, 3, 5 + 4):
        behind.append(named(observation, env.graph)["context"]["behind"])
        observation, reward, _, _, info = env.step(np.array([action]))
        paid.append(reward[0])
        kept.append(info["objectives"]["moves"][0])
    behind.append(named(observation, env.graph)["context"]["behind"])
    assert behind == pytest.approx([0.0] * 4 + [1.0, 1.0, 0.0])
    assert paid == pytest.approx([0.0, 16 / 48, 0.0, 0.0, 0.0, 0.0])
    assert kept == [0.0] + [1.0] * 5
    assert env.solution(0).moves.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(("objective", "observation", "merge"), KINDS)
def test_features_are_documented_and_schemas_hold_no_counts(objective, observation, merge):
    """A policy for one size plays another; every option that shows something more has a schema of its own."""
    options = {"objective": objective, "observation": observation, "merge": merge}
    small = VMReschedulingVectorEnv(1, instance=LONE, **options).graph
    large = VMReschedulingVectorEnv(1, instance=UNLIKE, **options, max_hosts=9).graph
    assert small.digest == large.digest
    assert small.n_actions != large.n_actions
    more = 2 * (objective == "mixed")
    n_vm, n_pm = 6 + more + 5 * (observation == "gains") + merge, 8 + more + 6 * (observation == "gains")
    columns = [*(node.features for node in small.nodes), small.context]
    assert [len(features) for features in columns] == [n_vm, n_pm, 6 + (objective != "fr16")]
    assert all(len(feature.about) > 1 for features in columns for feature in features)
    assert [block.key for block in small.blocks() if block.static] == []
    digests = {
        VMReschedulingVectorEnv(
            1, instance=LONE, **dict(zip(("objective", "observation", "merge"), kind, strict=True))
        ).graph.digest
        for kind in KINDS
    }
    assert len(digests) == len(KINDS)
