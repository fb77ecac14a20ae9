"""Observations, masks, rewards and runs of SoCDAG-v0 against plain Python, by hand, and after resets."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_soc import CUT, NOISY, QUEUED, REDRAWN, STOPPED, TINY, TRACED, chip
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.features import ACTIONS, OBSERVATIONS
from ganttlet.soc_dag.instance import Workload
from reference.play import MODES, legal_actions
from reference.soc_strategies import workloads
from reference.soc_walk import SPACE, compare, make, walk

KINDS = list(itertools.product(ACTIONS, OBSERVATIONS, (False, True)))
REWARDS = [(name, "latency") for name in ("jobs", "latency", "completion", "energy", "weighted", "deadline")]
REWARDS += [("terminal", name) for name in ("latency", "makespan", "energy", "edp", "missed")]


@pytest.mark.parametrize(("action", "observation", "wait"), KINDS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_feature(action, observation, wait, data):
    reward, objective = data.draw(st.sampled_from(REWARDS))
    walk(
        data.draw(workloads()),
        np.random.default_rng(data.draw(st.integers(0, 99))),
        action=action,
        observation=observation,
        wait=wait,
        window=data.draw(st.integers(1, 5)),
        reward=reward,
        objective=objective,
        weight=0.3,
        stale_estimates=data.draw(st.booleans()),
        gamma=0.9,
        illegal_penalty=2.5,
        binding="late" if wait and action != "pe" and data.draw(st.booleans()) else "early",
    )


@pytest.mark.parametrize(("reward", "objective"), REWARDS)
@pytest.mark.parametrize("given_", [NOISY, REDRAWN, QUEUED, TRACED, CUT, STOPPED, TINY])
def test_episodes_by_hand(given_, reward, objective):
    """Longer runs, without illegal actions."""
    cases = [(*case, "early") for case in itertools.product(ACTIONS, (False, True))]
    cases += [("task", True, "late"), ("joint", True, "late")]
    for seed, (action, wait, binding) in enumerate(cases):
        walk(
            Workload.from_dict(given_),
            np.random.default_rng(seed),
            wild=False,
            action=action,
            wait=wait,
            binding=binding,
            window=4,
            reward=reward,
            objective=objective,
        )


def named(observation, spec):
    """The columns of every block of row 0 by name."""
    found = {
        node.name: {f.name: observation[node.name][0, :, at].tolist() for at, f in enumerate(node.features)}
        for node in spec.nodes
    }
    return found | {"context": {f.name: float(x) for f, x in zip(spec.context, observation["context"][0], strict=True)}}


# Two clusters of 2 and 1 PEs; job 0 at time 0 and job 1 at time 1, critical path 2 + 1.
BY_HAND = chip(
    {"x": [2, 4], "y": [None, 1]},
    [2, 1],
    {"app": (["x", "y"], [(0, 1, 6)])},
    arrivals="trace",
    trace=((0, 0), (1, 0)),
    bandwidth=((3, 2), (2, 1)),
    capacity=4,
    deadline_factor=4.0,
)


def test_by_hand():
    env = SoCDAGVectorEnv(1, instance=BY_HAND, action="joint", wait=True, window=2)
    observation, _ = env.reset(seed=0)
    observation = env.step(np.array([0]))[0]  # task 0 of job 0 to PE 0; job 1 enters at 1
    shown = named(observation, env.graph)
    task, job, pe, ready = (shown[name] for name in ("task", "job", "pe", "ready"))
    third = pytest.approx(1 / 3)
    assert observation["task_mask"][0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert (task["running"][:4], task["ready"][:4]) == ([1, 0, 0, 0], [0, 0, 1, 0])
    assert (task["outstanding"][:4], task["preds_left"][:4]) == ([0, 1, 0, 1], [0, 1, 0, 1])
    # Means 8/3 and 1; the volume of 6 takes 2 between the cores, 3 between clusters: 2 of 6 and 4 of 6 pairs.
    transfer = (2 * 2 + 4 * 3) / 6
    assert task["mean"][:2] == pytest.approx([8 / 9, 1 / 3])
    assert task["rank_up"][0] == pytest.approx((8 / 3 + transfer + 1) / 3)
    assert task["rank_down"][:2] == pytest.approx([0, (8 / 3 + transfer) / 3])
    assert task["tail"][:2] == pytest.approx([1, 1 / 3])
    assert task["spread"][0] == pytest.approx(np.std([2, 2, 4]) / 3)
    assert (task["support"][:2], task["succs"][:2]) == (pytest.approx([1, 1 / 3]), [1, 0])
    assert observation["precedes_index"][0].tolist() == [[0, 2, -1, -1], [1, 3, -1, -1]]
    assert observation["task_pe_index"][0].tolist() == [0] + [-1] * 7
    assert job["age"][:2] == [third, 0]
    assert (job["ready"][:2], job["assigned"][:2], job["left"][:2]) == ([0, 1], [1, 0], [1, 1])
    # Due after 4 critical paths: at 12 and 13; nothing of job 0 is ready.
    assert job["slack"][:2] == pytest.approx([(12 - 1) / 3, (13 - 1 - 3) / 3])
    assert (pe["busy"], pe["idle"], pe["queue"]) == ([1, 0, 0], [1, 1, 1], [0, 0, 0])
    assert pe["running"] == [third, 0, 0]
    assert pe["free"] == [third, 0, 0]
    # A core takes x in the least time and not y; the third PE takes x in twice that, and y in the least time.
    assert (pe["speed"], pe["support"]) == (pytest.approx([1, 1, 0.75]), [0.5, 0.5, 1])
    assert ready["eft"][0] == pytest.approx(2 / 3)
    assert ready["starts"] == [1, 0]
    pairs = observation["ready_pe"][0, 0]
    assert pairs[:, :4].tolist() == [
        pytest.approx(row) for row in ([1, 2 / 3, 0, 1], [1, 2 / 3, 0, 2 / 3], [1, 4 / 3, 0, 4 / 3])
    ]
    assert pairs[:, 4].tolist() == pytest.approx([1 / 3, 0, 2 / 3])
    assert pairs[:, 5].tolist() == [0, 1, 1]
    assert shown["context"] == pytest.approx(
        {"jobs": 2, "full": 0.5, "ready": 1, "hidden": 0, "before": 0, "work": 2, "busy": 1 / 3, "rate": 6}
    )
    assert observation["action_mask"][0].tolist() == [1, 1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("action", ACTIONS)
def test_no_row_of_a_larger_instance_is_left_by_a_partial_reset(action):
    options = {"action": action, "window": 3, "wait": True}
    env = SoCDAGVectorEnv(2, instance=NOISY, **options, **SPACE)
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(2)
    for _ in range(6):
        before, _, _, _, info = env.step(legal_actions(info["action_mask"], rng))
    after, _ = env.reset(options={"instance": TINY, "reset_mask": np.array([False, True])})
    _, oracle = make(Workload.from_dict(TINY), **options)
    compare(env, after, oracle, row=1)
    assert all(np.array_equal(after[key][0], before[key][0]) for key in after)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "Disabled"])
@pytest.mark.parametrize("limit", [3, None])
def test_no_row_of_a_larger_instance_is_left_by_autoreset(mode, limit):
    """After an episode that ended or was cut off halfway."""
    options = {"action": "joint", "window": 3}
    env = SoCDAGVectorEnv(2, instance=TINY, **options, **SPACE, autoreset_mode=mode, max_episode_steps=limit)
    rng = np.random.default_rng(3)
    _, info = env.reset(seed=0, options={"instance": NOISY})
    done = np.zeros(2, bool)
    while not done.any():
        observation, _, terminated, truncated, info = env.step(legal_actions(info["action_mask"], rng))
        done = terminated | truncated
    if mode == "NextStep":
        observation = env.step(legal_actions(info["action_mask"], rng))[0]
    _, oracle = make(Workload.from_dict(TINY), **options)
    for row in np.flatnonzero(done):
        compare(env, observation, oracle, row=int(row))


def test_features_are_documented_and_schemas_hold_no_counts():
    """A policy for one size plays another; every option that shows something else has a schema of its own."""
    graphs = {}
    for action, observation, wait in KINDS:
        options = {"action": action, "observation": observation, "wait": wait}
        small = SoCDAGVectorEnv(1, instance=TINY, **options).graph
        large = SoCDAGVectorEnv(1, instance=NOISY, **options, max_pes=9, window=5).graph
        assert small.digest == large.digest
        assert small.n_actions != large.n_actions
        columns = [*(node.features for node in small.nodes), small.context]
        assert all(len(feature.about) > 1 for features in columns for feature in features)
        graphs[small.digest] = small
    assert len(graphs) == len(KINDS)
