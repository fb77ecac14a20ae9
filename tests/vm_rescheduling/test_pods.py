"""PodPacking-v0 against plain Python and the validator, on random small problems and by hand."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_vm import CROWDED, FEW, FREE, POD_ROOM, REPLICAS, pods
from ganttlet.core.pool import draw_keys
from ganttlet.vm_rescheduling import make_generator, validate
from ganttlet.vm_rescheduling.batch import PodPackingVectorEnv
from ganttlet.vm_rescheduling.instance import Cluster
from reference.play import MODES, legal_action, legal_actions, row_of
from reference.vm_strategies import pod_problems
from reference.vm_walk import SPACE, blocks, compare, make, walk


@pytest.mark.parametrize("reward", ["dense", "terminal"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(instance=pod_problems(), seed=st.integers(0, 99))
def test_every_feature(reward, instance, seed):
    walk(instance, np.random.default_rng(seed), reward=reward, gamma=0.9)


@pytest.mark.parametrize("given_", [CROWDED, FREE, FEW], ids=["crowded", "free", "few"])
def test_episodes_by_hand(given_):
    """Small problems played many times over, without illegal actions."""
    for seed in range(25):
        walk(Cluster.from_dict(given_), np.random.default_rng(seed), wild=False)


@pytest.mark.parametrize("reward", ["dense", "terminal"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(instance=pod_problems(), seed=st.integers(0, 9))
def test_finished_episodes(reward, instance, seed):
    env = PodPackingVectorEnv(1, instance=instance, reward=reward)
    _, info = env.reset(seed=0)
    first, rewards, rng = row_of(info, 0)["objectives"], [], np.random.default_rng(seed)
    while not env.done.all():
        mask = env.action_masks()[0].copy()
        if seed % 2 and mask[:-1].any():
            mask[-1] = 0  # stop only where nothing else is legal
        _, reward_, _, _, info = env.step(np.array([legal_action(mask, rng)]))
        rewards.append(reward_[0])
    final = row_of(info, 0)["objectives"]
    verdict = validate(instance, env.solution(0))
    assert verdict.feasible, verdict.violations
    assert final == {name: verdict.values[name] for name in ("unplaced", "pending", "disruption", "moves")}
    assert sum(rewards) == pytest.approx(first["unplaced"] - final["unplaced"], abs=1e-9)
    assert final["moves"] <= instance.limit
    pending = int((instance.host < 0).sum())
    placements = 0 if instance.count_placements else pending + instance.limit
    assert len(env.solution(0).moves) <= instance.limit + placements
    if reward == "terminal":
        assert not any(rewards[:-1])
    assert env.objective == "unplaced"


def test_a_higher_tier_outweighs_all_below_it():
    """Evicting every pod of the lower tier for one of the higher is worth it; the reward says so."""
    instance = Cluster.from_dict(pods([(4, 4)], [(1, 1, 0, 0)] * 4 + [(4, 4, -1, 1)], limit=5))
    env = PodPackingVectorEnv(1, instance=instance)
    env.reset(seed=0)
    n_pods, node, evict = 5, 5, 6
    total = 0.0
    for pod in range(4):
        for action in (pod, evict):
            total += env.step(np.array([action]))[1][0]
    assert total == pytest.approx(-4 - 4 / 11)
    for action in (4, node):
        _, reward, terminated, _, info = env.step(np.array([action]))
    assert (reward[0], terminated[0]) == (6.0, True)
    assert row_of(info, 0)["objectives"] == {"unplaced": 4 + 4 / 11, "pending": 4.0, "disruption": 4.0, "moves": 5.0}
    assert env.solution(0).moves.tolist() == [*([pod, -1, -1] for pod in range(4)), [n_pods - 1, 0, 0]]


def test_moving_back_undoes_the_disruption():
    env = PodPackingVectorEnv(1, instance=pods([(4, 4), (4, 4)], [(1, 1, 0, 0)], limit=9))
    env.reset(seed=0)
    paid = []
    for target in (2, 1, 3, 2, 3, 1):  # node 1, node 0, evicted, node 1, evicted, node 0
        env.step(np.array([0]))
        paid.append(env.step(np.array([target]))[1][0] if env.action_masks()[0, target] else None)
    points = [2, 0, 3, 2, 3, 0]  # one for an eviction, and (V + 1)^0 = 1 whole for the pending pod
    costs = {0: 0.0, 2: 2 / 3, 3: 1 + 1 / 3}
    expected = [costs[a] - costs[b] for a, b in zip([0, *points], points, strict=False)]
    assert paid == pytest.approx(expected)


def named(observation, env):
    """The columns of every block of row 0 by name."""
    found = {
        node.name: {f.name: observation[node.name][0, :, at].tolist() for at, f in enumerate(node.features)}
        for node in env.graph.nodes
    }
    found["context"] = {f.name: float(x) for f, x in zip(env.graph.context, observation["context"][0], strict=True)}
    return found


def test_by_hand():
    """Nodes of 10 and 8 millicores; pod 2 fits nowhere, pod 3 on the second node only."""
    instance = Cluster.from_dict(
        pods([(10, 20), (8, 10)], [(4, 8, 0, 30), (5, 5, 0, 0), (10, 4, -1, 9), (4, 5, 1, 0)], limit=4)
    )
    env = PodPackingVectorEnv(1, instance=instance)
    observation, _ = env.reset(seed=0)
    shown = named(observation, env)
    assert shown["pod"] == {
        "cpu": pytest.approx([0.4, 0.5, 1.0, 0.4]),
        "memory": pytest.approx([0.4, 0.25, 0.2, 0.25]),
        "tier": [1.0, 0.0, 0.5, 0.0],
        "pending": [0.0, 0.0, 1.0, 0.0],
        "moved": [0.0] * 4,
        "nodes": [0.0, 0.0, 0.0, 0.5],
    }
    assert shown["node"] == {
        "free_cpu": pytest.approx([0.1, 0.4]),
        "free_memory": pytest.approx([7 / 20, 5 / 20]),
        "free_cpu_share": pytest.approx([0.1, 0.5]),
        "free_memory_share": pytest.approx([7 / 20, 0.5]),
    }
    context = {"progress": 0.0, "moves_left": 4.0, "pods": 4.0, "nodes": 2.0, "pending": 0.25, "free": 5 / 18}
    assert shown["context"] == pytest.approx(context)
    assert observation["on_index"][0].tolist() == [0, 0, -1, 1]
    assert observation["action_mask"][0].tolist() == [1, 1, 0, 1, 0, 0, 0, 1]
    observation = env.step(np.array([3]))[0]
    assert (observation["focus_pod"][0, 0], observation["phase"][0, 0]) == (3, 1)
    assert observation["action_mask"][0].tolist() == [0, 0, 0, 0, 0, 0, 1, 0]
    observation = env.step(np.array([6]))[0]
    shown = named(observation, env)
    assert (shown["pod"]["pending"], shown["pod"]["moved"]) == ([0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0])
    assert shown["node"]["free_cpu_share"] == pytest.approx([0.1, 1.0])
    assert (shown["context"]["progress"], shown["context"]["pending"]) == (0.25, 0.5)
    assert observation["on_index"][0].tolist() == [0, 0, -1, -1]


def test_limits():
    """Default step limits, and that free placements leave room for them."""
    assert PodPackingVectorEnv(1, instance=CROWDED).max_episode_steps == 4 * (2 * 4 + 1)
    assert PodPackingVectorEnv(1, instance=FREE).max_episode_steps == 4 * (2 * (2 * 2 + 5) + 1)
    nothing = Cluster.from_dict({**CROWDED, "limit": 0})
    env = PodPackingVectorEnv(1, instance=nothing)
    _, info = env.reset(seed=0)
    stop = env.single_action_space.n - 1
    assert np.flatnonzero(info["action_mask"][0]).tolist() == [stop]
    assert env.step(np.array([stop]))[2][0]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "Disabled"])
@pytest.mark.parametrize("limit", [3, None])
def test_no_row_of_a_larger_instance_is_left_by_autoreset(mode, limit):
    """After an episode that ended or was cut off halfway."""
    small = Cluster.from_dict(FEW)
    env = PodPackingVectorEnv(2, instance=small, **SPACE, autoreset_mode=mode, max_episode_steps=limit)
    rng = np.random.default_rng(3)
    _, info = env.reset(seed=0, options={"instance": CROWDED})
    done = np.zeros(2, bool)
    while not done.any():
        observation, _, terminated, truncated, info = env.step(legal_actions(info["action_mask"], rng))
        done = terminated | truncated
    if mode == "NextStep":
        observation = env.step(legal_actions(info["action_mask"], rng))[0]
    _, oracle = make(small)
    for row in np.flatnonzero(done):
        compare(env, observation, blocks(oracle, env.graph, {}), row=int(row))


def test_generated_instances_are_the_generators():
    """Up to their names, and with ranks for priorities."""
    env = PodPackingVectorEnv(6, generator=REPLICAS, **POD_ROOM)
    env.reset(seed=3)
    keys = np.empty(6, np.uint64)
    draw_keys(np.arange(3, 9, dtype=np.uint64), np.zeros(6, np.int64), keys)
    for row, key in enumerate(keys):
        mine, drawn = env.instance(row).to_dict(), make_generator(REPLICAS).sample_key(key)
        theirs = drawn.to_dict() | {"priority": drawn.tier.tolist()}
        assert {key for key in mine if np.any(mine[key] != theirs[key])} <= {"name"}


def test_the_default_is_four_nodes_of_four_pods():
    env = gym.make("ganttlet/PodPacking-v0").unwrapped
    env.reset(seed=0)
    assert (env.instance.n_hosts, env.instance.n_vms, env.instance.is_pods) == (4, 16, True)


def test_schema_does_not_depend_on_sizes():
    """A policy for one size plays another."""
    small, large = (PodPackingVectorEnv(1, instance=one).graph for one in (FEW, CROWDED))
    assert small.digest == large.digest
    assert small.n_actions != large.n_actions
    assert all(len(feature.about) > 5 for node in small.nodes for feature in node.features)
    assert [block.key for block in small.blocks() if block.static] == []
