"""MemoryAllocation-v0 beyond the shared tests: what is shown, holes, rewards, replay, wrong options."""

import gymnasium as gym
import numpy as np
import pytest

import ganttlet  # noqa: F401  (registers the ids)
from families_allocation import CUT, EVEN, LONE, ODD, PROGRAM, TRIMMED, UNIFORM, plain, problem
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import Allocation, make_generator, replay_actions, resolve, validate
from ganttlet.memory_allocation.env import MemoryAllocationEnv, MemoryAllocationVectorEnv
from ganttlet.memory_allocation.features import (
    BUFFER_FEATURES,
    BUFFER_STATIC,
    CONTEXT_FEATURES,
    SECTION_FEATURES,
    SECTION_STATIC,
)
from reference.memory_allocation import (
    ReferenceAllocation,
    load_at,
    sections_of,
    shown_buffer,
    shown_context,
    shown_section,
    shown_static,
)

ID = "ganttlet/MemoryAllocation-v0"
ROOM = {"max_buffers": 12, "max_sections": 24}


def near(found, expected):
    return found.tolist() == pytest.approx(expected, abs=2e-6)


def check(env, observation, play):
    """Compare a row of an observation with what the slow simulator shows."""
    n, sections = len(play.buffers), sections_of(play.buffers)
    for k in range(n):
        assert near(observation["buffer"][k], shown_buffer(play, k)), k
        assert near(observation["buffer_static"][k], shown_static(play, k)), k
    assert observation["buffer_mask"].tolist() == [1] * n + [0] * (12 - n)
    assert not observation["buffer"][n:].any()
    assert not observation["buffer_static"][n:].any()
    assert near(observation["context"], shown_context(play))
    begin, span = sections[0][0], sections[-1][1] - sections[0][0]
    for s, (start, end) in enumerate(sections):
        assert near(observation["section"][s], shown_section(play, start)), s
        load = load_at(play.buffers, start) / play.capacity
        assert near(observation["section_static"][s], [(end - start) / span, load]), s
    assert observation["section_mask"].tolist() == [1] * len(sections) + [0] * (24 - len(sections))
    assert not observation["section"][len(sections) :].any()
    for key, bound in (("begins_index", 0), ("ends_index", 1)):
        for k, own in enumerate(play.buffers):
            assert sections[observation[key][k]][bound] == (own.lower, own.upper)[bound]
        assert (observation[key][n:] == -1).all()
    assert begin == min(own.lower for own in play.buffers)


@pytest.mark.parametrize("settings", [CUT, TRIMMED, PROGRAM, UNIFORM, ODD, EVEN], ids=range(6))
def test_what_is_shown_is_worked_out_from_scratch(settings):
    given = {"generator": settings} if "units" in settings or "largest" in settings else {"instance": settings}
    env = MemoryAllocationEnv(**given, observation="sections", **ROOM)
    rng = np.random.default_rng(0)
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        play = ReferenceAllocation(plain(env.instance), env.instance.capacity)
        check(env, observation, play)
        while not play.done:
            action = int(rng.choice(np.flatnonzero(observation["action_mask"])))
            observation, *_ = env.step(action)
            play.step(action)
            check(env, observation, play)


def test_features_have_the_names_of_the_columns():
    graph = MemoryAllocationEnv(instance=EVEN, observation="sections").graph
    assert [block.key for block in graph.blocks()] == [
        "buffer",
        "buffer_static",
        "buffer_mask",
        "section",
        "section_static",
        "section_mask",
        "begins_index",
        "ends_index",
        "context",
        "action_mask",
    ]
    counts = [len(one) for one in (BUFFER_FEATURES, BUFFER_STATIC, SECTION_FEATURES, SECTION_STATIC, CONTEXT_FEATURES)]
    assert counts == [9, 9, 4, 2, 7]
    assert "section" not in MemoryAllocationEnv(instance=EVEN).observation_space.spaces


def test_a_hole_is_filled():
    """Buffer 1 rests on 0 with room below its other half, which buffer 2 takes."""
    env = MemoryAllocationEnv(instance=problem([(0, 2, 5), (1, 5, 3), (3, 5, 4), (2, 5, 1)], 9))
    env.reset(seed=0)
    heights = [env.step(action)[4]["objectives"]["height"] for action in (0, 1, 2, 3)]
    assert env.solution().offset.tolist() == [0, 5, 0, 4]
    assert heights == [5.0, 8.0, 8.0, 8.0]


def test_a_buffer_that_is_passed_by_a_smaller_one_still_fits_above():
    """What is placed beside the bound of a buffer does not move it; what is placed at it does."""
    env = MemoryAllocationEnv(instance=problem([(0, 4, 2), (2, 6, 2), (4, 8, 7), (0, 8, 3)], 12))
    env.reset(seed=0)
    for action in (2, 0, 1):
        env.step(action)
    assert env.solution().offset.tolist() == [0, 7, 0, -1]
    observation, reward, terminated, *_ = env.step(3)
    assert (env.solution().offset[3], reward, terminated) == (9, -3 / 12, True)
    assert observation["action_mask"].all()


def test_rewards_add_up():
    totals = {}
    for reward in ("height", "bound", "terminal"):
        env = MemoryAllocationEnv(instance=ODD, reward=reward)
        env.reset(seed=0)
        rewards = [env.step(action)[1] for action in (0, 2, 3, 4, 6, 7)]
        totals[reward] = sum(rewards), rewards
    final = env.batch.objective_values("height")[0]
    assert totals["height"][0] == totals["terminal"][0] == pytest.approx((18 - final) / 30)
    assert totals["terminal"][1][:-1] == [0.0] * 5
    assert totals["bound"][0] == pytest.approx((18 - final) / 30)
    assert final > 18


def test_fits_tells_whether_the_capacity_is_kept():
    env = MemoryAllocationEnv(instance=problem([(0, 4, 2), (2, 6, 2), (4, 8, 4)], 6))
    shown = {}
    for order in ((0, 1, 2), (2, 0, 1)):
        env.reset(seed=0)
        infos = [env.step(action)[4]["objectives"] for action in order]
        shown[order] = [(info["height"], info["fits"]) for info in infos]
    assert shown[0, 1, 2] == [(2.0, 1.0), (4.0, 1.0), (8.0, 0.0)]
    assert shown[2, 0, 1] == [(4.0, 1.0), (4.0, 1.0), (6.0, 1.0)]
    assert infos[-1]["ratio"] == 1.0


# Replay


@pytest.mark.parametrize("settings", [CUT, {**TRIMMED, "fixed": 0.3}])
def test_a_known_packing_is_followed_to_its_height(settings):
    known = [make_generator(settings).sample_packed(seed) for seed in range(6)]
    env = MemoryAllocationVectorEnv(6, instances=[one for one, _ in known], autoreset_mode="disabled", max_buffers=9)
    env.reset(options={"instance": [one for one, _ in known]})
    while not env.done.all():
        actions = replay_actions(env, [allocation for _, allocation in known])
        assert (actions[env.done] == -1).all()
        env.step(actions)
        assert not env.flags.illegal.any()
    for row, (instance, allocation) in enumerate(known):
        placed = env.solution(row).offset
        assert (placed <= allocation.offset).all()
        assert validate(instance, env.solution(row)).values["fits"] == 1.0


def test_a_high_packing_comes_down():
    instance = resolve(EVEN)
    env = MemoryAllocationVectorEnv(1, instance=instance, autoreset_mode="disabled")
    env.reset(seed=0)
    loose = Allocation([100, 204, 50, 104, 10], instance.digest)
    assert validate(instance, loose).feasible
    chosen = []
    while not env.done[0]:
        chosen.append(int(replay_actions(env, [loose])[0]))
        env.step(np.array(chosen[-1:]))
    assert chosen == [4, 2, 0, 3, 1]
    assert env.solution(0).offset.tolist() == [8, 8, 4, 4, 0]


def test_replay_refuses_what_it_cannot_follow():
    env = MemoryAllocationVectorEnv(2, instances=[EVEN, LONE], autoreset_mode="disabled")
    env.reset(options={"instance": [EVEN, LONE]})
    even, lone = (Allocation(np.zeros(n, int), resolve(one).digest) for n, one in ((5, EVEN), (2, LONE)))
    with pytest.raises(InputError, match="replay: 1 allocations for 2 rows"):
        replay_actions(env, [even])
    with pytest.raises(InputError, match="replay: the allocation of row 0 is not one of its instance by-hand"):
        replay_actions(env, [lone, even])
    with pytest.raises(InputError, match="replay: the allocation of row 1 leaves out buffer 1"):
        replay_actions(env, [even, Allocation([0, -1], lone.instance)])


# Options

WRONG = [
    ({"surprise": 1}, "'surprise'"),
    ({"preset": "small"}, "'preset'"),
    ({"reward": "sparse"}, "reward: unknown value 'sparse'; expected one of height, bound, terminal"),
    ({"observation": "graph"}, "observation: unknown value 'graph'; expected one of buffers, sections"),
    *[
        ({key: value, "observation": "sections"}, f"{key}: expected an integer of at least 1")
        for key in ("max_buffers", "max_sections")
        for value in (0, -1, 1.5, "2", True)
    ],
    ({"instance": EVEN, "max_buffers": 4}, "max_buffers=4: the instances need 5"),
    ({"instance": EVEN, "observation": "sections", "max_sections": 2}, "max_sections=2: the instances need 3"),
    ({"max_sections": 200}, "max_sections: only observation='sections' shows sections"),
    ({"instance": "no-such"}, "no-such"),
    ({"instance": 7}, "instance"),
    ({"instances": []}, "instances: expected at least one"),
    ({"instance": EVEN, "generator": CUT}, "instance and generator: give only one of them"),
    ({"generator": {"name": "gauss"}}, "gauss"),
    ({"pool_seed": 3}, "pool_seed: needs pool_size"),
    (
        {"instance": {**EVEN, "fixed": [0, 0, 4, 0, 8]}},
        "every buffer has a fixed offset, so there is nothing to decide",
    ),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options_are_named(options, message):
    for make in (MemoryAllocationEnv, MemoryAllocationVectorEnv):
        with pytest.raises(InputError, match=message):
            make(**options)


def test_instances_that_do_not_fit_are_named():
    env = gym.make(ID, instance=LONE, observation="sections")
    with pytest.raises(InputError, match=r"5 buffers, but the padded space holds 2; .*max_buffers=5"):
        env.reset(options={"instance": EVEN})
    wide = gym.make(ID, instance=LONE, observation="sections", max_buffers=5, max_sections=2)
    with pytest.raises(InputError, match=r"3 sections, but the padded space holds 2; .*max_sections=3"):
        wide.reset(options={"instance": EVEN})
    # Where no sections are shown, only the number of buffers counts.
    gym.make(ID, instance=LONE, max_buffers=5).reset(options={"instance": EVEN})
    gym.make(ID, instance=LONE, max_buffers=5, observation="sections").reset(options={"instance": EVEN})


def test_the_default_generator_and_its_space():
    env = MemoryAllocationVectorEnv(3)
    observation, _ = env.reset(seed=0)
    assert observation["buffer"].shape == (3, 40, 9)
    assert env.max_episode_steps == 160
    assert {env.instance(row).name.split("-")[0] for row in range(3)} == {"cut"}
