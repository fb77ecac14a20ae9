"""Observations of JobShop-v0 against plain Python: every feature, edge and mask, in every timing discipline."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families import DRAWN, EVEN, ODD
from ganttlet.job_shop import resolve
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.features import AHEAD_FEATURES, CONTEXT_FEATURES, DUE_FEATURES, JOB_FEATURES
from ganttlet.job_shop.timing import TIMINGS
from reference.job_shop_strategies import problems
from reference.job_shop_walk import extreme_shops, skewed_shop, walk

STATIC = {"op_static", "op_mask", "machine_mask", "precedes_index", "op_job_index", "op_machine_index"}


@pytest.mark.parametrize("timing", TIMINGS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_every_feature(timing, data):
    walk(
        data.draw(problems()),
        np.random.default_rng(data.draw(st.integers(0, 99))),
        timing=timing,
        objective=data.draw(st.sampled_from(["makespan", "weighted_tardiness"])),
        window=data.draw(st.integers(1, 4)),
        observation="graph",
    )


@pytest.mark.parametrize("timing", TIMINGS)
def test_extreme_durations_are_clipped_into_the_space(timing):
    """Zero and huge durations, far releases and due dates: features are clipped, not wrapped."""
    options = {"timing": timing, "objective": "weighted_tardiness", "window": 3, "observation": "graph"}
    for instance in extreme_shops():
        for seed in range(3):
            walk(instance, np.random.default_rng(seed), **options)


def test_many_short_and_one_long_operation():
    """The mean duration is tiny beside the longest: the long ones are shown as the limit, 1000 means."""
    walk(skewed_shop(), np.random.default_rng(0), timing="append", observation="graph")


def test_edges_agree_with_the_instance():
    instance = resolve(ODD)
    env = JobShopVectorEnv(1, instance=ODD, observation="graph", max_jobs=6, max_ops=5)
    observation, _ = env.reset(seed=0)
    jobs = {int(at) // 5 for at in np.flatnonzero(observation["op_mask"][0])}
    assert jobs == {0, 1, 2, 3}
    links = set()
    for at, target in enumerate(observation["precedes_index"][0]):
        j, i = divmod(at, 5)
        real = j < 4 and i < instance.n_ops[j]
        assert observation["op_mask"][0, at] == real
        assert observation["op_job_index"][0, at] == (j if real else -1)
        assert observation["op_machine_index"][0, at] == (instance.machine[j, i] if real else -1)
        if target >= 0:
            links.add((at, int(target)))
    assert links == {(0, 1), (1, 2), (10, 11), (11, 12), (15, 16)}
    assert observation["job_next_index"][0].tolist() == [0, 5, 10, 15, -1, -1]
    assert observation["machine_mask"][0].tolist() == [1, 1, 1]


def test_job_next_follows_progress():
    env = JobShopVectorEnv(1, instance=EVEN, observation="graph", timing="append")
    env.reset(seed=0)
    for step in range(3):
        observation = env.step(np.array([1]))[0]
        assert observation["job_next_index"][0].tolist() == [0, 4 + step if step < 2 else -1, 6]
        assert observation["op"][0, 3:6, 0].tolist() == [1.0] * (step + 1) + [0.0] * (2 - step)
    assert observation["job_mask"][0].tolist() == [1, 0, 1]
    assert not observation["job"][0, 1].any()


def test_feature_names_count_and_document_every_column():
    env = JobShopVectorEnv(1, instance=EVEN, window=3, objective="total_tardiness", observation="graph", timing="wait")
    spec = env.graph
    names = [feature.name for feature in spec.node("job").features]
    plain = [feature.name for feature in JOB_FEATURES]
    ahead = [f"ahead{w}_{feature.name}" for w in (1, 2) for feature in AHEAD_FEATURES]
    assert names == [*plain, *ahead, *(feature.name for feature in DUE_FEATURES)]
    assert env.single_observation_space["job"].shape == (3, len(names))
    assert [feature.name for feature in spec.context] == [feature.name for feature in CONTEXT_FEATURES]
    assert [(segment.over, segment.logits) for segment in spec.segments] == [("job", 1), ("context", 1)]
    for node in spec.nodes:
        for feature in (*node.features, *node.static_features):
            assert len(feature.about) > 5, feature.name
    assert {block.key for block in spec.blocks() if block.static} == STATIC


def test_schema_does_not_depend_on_sizes():
    """A policy for one size plays another."""
    a = JobShopVectorEnv(1, instance="ft06", observation="graph", timing="wait").graph
    b = JobShopVectorEnv(1, generator=dict(DRAWN), observation="graph", timing="wait", max_jobs=9).graph
    assert a.digest == b.digest
    assert a.n_actions != b.n_actions
    assert JobShopVectorEnv(1, instance="ft06", observation="graph", timing="wait", window=3).graph.digest != a.digest
