"""The observation ``machines`` of JobShop-v0 against plain Python, by hand, and after resets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families import DRAWN, EVEN, JobShopOracle, job_shop_options, shop
from ganttlet.job_shop import resolve
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.features import CONTEXT_FEATURES, DUE_FEATURES, JOB_FEATURES, MACHINE_FEATURES
from ganttlet.job_shop.queues import LOAD_CONTEXT_FEATURES, LOAD_FEATURES, QUEUE_FEATURES
from ganttlet.job_shop.timing import TIMINGS
from reference.job_shop_strategies import problems
from reference.job_shop_walk import SPACE, blocks, compare, extreme_shops, skewed_shop, walk
from reference.play import MODES, legal_actions

LARGE = shop([[((j + i) % 5, 3 + j * i) for i in range(7)] for j in range(6)], 5, due=[20] * 6)
SMALL = shop([[(1, 4), (0, 2)], [(1, 3)]], 2, due=[9, 2])


@pytest.mark.parametrize("timing", TIMINGS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_feature(timing, data):
    objective, reward = data.draw(st.sampled_from([("makespan", "load_bound"), ("weighted_tardiness", "bound")]))
    walk(
        data.draw(problems()),
        np.random.default_rng(data.draw(st.integers(0, 99))),
        timing=timing,
        objective=objective,
        reward=reward,
        window=data.draw(st.integers(1, 4)),
        observation="machines",
    )


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("tick", [1, 2**24 + 1])
def test_many_rivals(timing, tick):
    """One or two machines for all, so that queues are long and ranks are shares of many; equal times make ties.

    With the long ``tick``, durations differ beyond float32 and the products that compare ratios exceed 32 bits.
    """
    rng = np.random.default_rng(5)
    for machines in (1, 2):
        jobs = [[(int(rng.integers(machines)), tick * int(rng.integers(0, 4))) for _ in range(4)] for _ in range(6)]
        instance = resolve(shop(jobs, machines, release=rng.integers(0, 5, 6).tolist()))
        walk(instance, rng, timing=timing, observation="machines", reward="load_bound")


@pytest.mark.parametrize("timing", TIMINGS)
def test_extreme_durations_are_clipped_into_the_space(timing):
    for instance in [*extreme_shops(), skewed_shop()]:
        for objective, reward in (("makespan", "load_bound"), ("weighted_tardiness", "bound")):
            options = {"timing": timing, "objective": objective, "reward": reward, "window": 3}
            if instance.due is not None or objective == "makespan":
                walk(instance, np.random.default_rng(1), observation="machines", **options)


def shown(timing="append", jobs=None, actions=(), **facts):
    """The named columns of every block after ``actions`` in a hand-made shop whose mean duration is 1 tick or more."""
    env = JobShopVectorEnv(1, instance=shop(jobs, 2, **facts), timing=timing, observation="machines")
    observation, _ = env.reset(seed=0)
    for action in actions:
        observation = env.step(np.array([action]))[0]
    spec = env.graph
    named = {
        node.name: {f.name: observation[node.name][0, :, at].tolist() for at, f in enumerate(node.features)}
        for node in spec.nodes
    }
    named["context"] = {f.name: float(x) for f, x in zip(spec.context, observation["context"][0], strict=True)}
    return named, observation


def test_by_hand():
    """Machine 0 holds 6 + 2 + 4 ticks, machine 1 three and nine; the mean duration is 4."""
    jobs = [[(0, 6), (1, 3)], [(0, 2)], [(0, 4), (1, 9), (0, 0)]]
    named, observation = shown(jobs=jobs)
    job, machine, context = named["job"], named["machine"], named["context"]
    # Bounds: job 2 ends at 13, machine 0 at 12, machine 1 at 12.
    assert context["time_left"] == 13 / 4
    assert context["load_lead"] == 0.0
    assert context["utilisation"] == pytest.approx(24 / 26)
    assert machine["slack"] == [1 / 4, 1 / 4]
    assert machine["queue_work"] == [3.0, 0.0]
    assert job["duration_rank"] == [1.0, 0.0, 0.5]
    assert job["tail_rank"] == [0.5, 1.0, 0.0]
    assert job["ratio_rank"] == [0.5, 1.0, 0.0]  # 6/9, 2/2, 4/13
    assert job["start_rank"] == [0.0, 0.0, 0.0]
    assert job["tail_lead"] == [(3 - 9) / 4, (0 - 9) / 4, (9 - 3) / 4]
    assert job["slack_share"] == pytest.approx([4 / 13, 11 / 13, 0.0])
    assert job["work_to_horizon"] == pytest.approx([9 / 13, 2 / 13, 1.0])
    assert job["after_load"] == [3.0, 0.0, 3.0]
    assert job["after_slack"] == [0.25, 13 / 4, 0.25]
    assert job["critical_slack"] == [0.25, 13 / 4, 0.25]
    assert job["critical_in"] == [1.5, 0.0, 1.0]  # of equal slacks the first later operation
    assert job["critical_duration"] == [0.75, 0.0, 2.25]
    assert job["critical_tail"] == [0.0, 0.0, 0.0]
    assert observation["needs_index"][0].tolist() == [0, 0, 0]
    assert observation["needs_after_index"][0].tolist() == [1, -1, 1]

    # Job 0 at 0–6, so machine 0 ends at 12 at the earliest, job 2 at 19, machine 1 at 6 + 12.
    named, observation = shown(jobs=jobs, actions=(0,))
    job, machine, context = named["job"], named["machine"], named["context"]
    assert context["time_left"] == 13 / 4
    assert machine["slack"] == [7 / 4, 1 / 4]
    assert job["idle"] == [6 / 4, 0.0, 0.0]
    assert job["end_in"] == [3 / 4, 2 / 4, 4 / 4]
    assert job["queue_work"] == [3 / 4, 6 / 4, 6 / 4]
    assert job["after_queue_work"] == [0.0, 0.0, 3 / 4]
    assert job["busy_share"] == pytest.approx([12 / 13, 6 / 13, (4 * 6 + 9 * 12) / 13 / 13])
    assert observation["needs_index"][0].tolist() == [1, 0, 0]
    assert observation["needs_after_index"][0].tolist() == [-1, -1, 1]


def test_the_load_bound_may_lead_the_jobs():
    named, _ = shown(jobs=[[(0, 4)], [(0, 4)], [(0, 4)]])
    assert (named["context"]["time_left"], named["context"]["load_lead"]) == (3.0, 2.0)
    assert named["job"]["machine_slack"] == [0.0, 0.0, 0.0]


def test_a_gap_is_no_idle_time():
    """Under ``insert`` job 1 fits before job 0's second operation: it starts before the machine's last end."""
    jobs = [[(0, 5), (1, 5)], [(1, 4), (0, 2)]]
    append, _ = shown("append", jobs, (0, 0))
    insert, _ = shown("insert", jobs, (0, 0))
    assert append["job"]["start_in"][1] == 0.0
    assert append["context"]["time_left"] == pytest.approx((16 - 10) / 4)
    assert insert["job"]["idle"][1] == 0.0
    assert insert["context"]["time_left"] == pytest.approx(14 / 4)


@pytest.mark.parametrize("timing", TIMINGS)
def test_no_row_of_a_larger_instance_is_left_by_a_partial_reset(timing):
    options = {"timing": timing, "observation": "machines", "objective": "total_tardiness", "window": 3}
    env = JobShopVectorEnv(2, instance=LARGE, **options, **SPACE)
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(2)
    for _ in range(4):
        before, _, _, _, info = env.step(legal_actions(info["action_mask"], rng))
    small = resolve(SMALL)
    after, _ = env.reset(options={"instance": small, "reset_mask": np.array([False, True])})
    play = JobShopOracle(job_shop_options(options), small, env.single_action_space.n).play
    compare(env, after, blocks("machines", play, 0, 3, True), row=1)
    assert all(np.array_equal(after[key][0], before[key][0]) for key in after)


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "Disabled"])
@pytest.mark.parametrize("limit", [3, None])
def test_no_row_of_a_larger_instance_is_left_by_autoreset(mode, limit):
    """After an episode that ended or was cut off halfway."""
    options = {"timing": "wait", "observation": "machines", "window": 2, "reward": "load_bound"}
    small = resolve(SMALL)
    env = JobShopVectorEnv(2, instance=small, **options, **SPACE, autoreset_mode=mode, max_episode_steps=limit)
    rng = np.random.default_rng(3)
    _, info = env.reset(seed=0, options={"instance": LARGE})
    done = np.zeros(2, bool)
    while not done.any():
        observation, _, terminated, truncated, info = env.step(legal_actions(info["action_mask"], rng))
        done = terminated | truncated
    if mode == "NextStep":
        observation = env.step(legal_actions(info["action_mask"], rng))[0]
    play = JobShopOracle(job_shop_options(options), small, env.single_action_space.n).play
    for row in np.flatnonzero(done):
        compare(env, observation, blocks("machines", play, 0, 2, False), row=int(row))


def test_the_end_shows_machines_without_load_and_no_pointers():
    env = JobShopVectorEnv(1, instance=SMALL, timing="append", observation="machines", **SPACE)
    env.reset(seed=0)
    for action in (0, 0, 1):
        observation = env.step(np.array([action]))[0]
    assert not observation["job"].any()
    assert not observation["machine"].any()
    assert observation["machine_mask"][0].tolist() == [1, 1, 0, 0, 0]
    assert (observation["needs_index"] == -1).all()
    assert (observation["needs_after_index"] == -1).all()
    # Only the number of jobs per machine is left.
    assert np.flatnonzero(observation["context"][0]).tolist() == [3]


def test_feature_names_count_and_document_every_column():
    env = JobShopVectorEnv(1, instance=EVEN, window=1, objective="total_tardiness", observation="machines")
    spec = env.graph
    assert spec.node("job").features == (*JOB_FEATURES, *QUEUE_FEATURES, *DUE_FEATURES)
    assert spec.node("machine").features == (*MACHINE_FEATURES, *LOAD_FEATURES)
    assert spec.context == (*CONTEXT_FEATURES, *LOAD_CONTEXT_FEATURES)
    assert env.single_observation_space["job"].shape == (3, len(spec.node("job").features))
    for features in (*(node.features for node in spec.nodes), spec.context):
        assert len({feature.name for feature in features}) == len(features)
        assert all(len(feature.about) > 5 for feature in features)
    assert [block.key for block in spec.blocks() if block.static] == []


def test_schema_does_not_depend_on_sizes():
    """A policy for one size plays another."""
    a = JobShopVectorEnv(1, instance="ft06", observation="machines").graph
    b = JobShopVectorEnv(1, generator=dict(DRAWN), observation="machines", max_jobs=9).graph
    assert a.digest == b.digest
    assert a.n_actions != b.n_actions
    assert a.digest != JobShopVectorEnv(1, instance="ft06").graph.digest
