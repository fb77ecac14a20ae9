"""Properties of JobShop-v0 on random small shops, for every timing, objective and reward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families import JobShopOracle, job_list, job_shop_options, job_shop_return
from ganttlet.core.pool import draw_keys
from ganttlet.job_shop import JobShopInstance, Schedule, lower_bound, make_generator, resolve, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.kernel import OBJECTIVES, REWARDS
from ganttlet.job_shop.timing import TIMINGS
from reference.brute_force import optimum
from reference.job_shop_strategies import problems
from reference.play import legal_action, row_of

PAIRS = [
    (objective, reward)
    for objective in OBJECTIVES
    for reward in REWARDS
    if reward not in ("idle", "load_bound") or objective == "makespan"
]


def finish(env, rng):
    """Play random legal actions to the end; return the rewards, and the infos after each step."""
    rewards, infos = [], []
    while not env.done.all():
        actions = np.array([legal_action(mask, rng) for mask in env.action_masks()])
        _, reward, _, _, info = env.step(actions)
        rewards.append(reward[0])
        infos.append(row_of(info, 0)["objectives"])
    return rewards, infos


@pytest.mark.parametrize("timing", TIMINGS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(instance=problems(), pair=st.sampled_from(PAIRS), seed=st.integers(0, 9))
def test_finished_episodes(timing, instance, pair, seed):
    objective, reward = pair
    options = {"timing": timing, "objective": objective, "reward": reward}
    env = JobShopVectorEnv(1, instance=instance, **options)
    _, info = env.reset(seed=0)
    first = row_of(info, 0)["objectives"]
    rewards, infos = finish(env, np.random.default_rng(seed))
    verdict = validate(instance, env.solution(0))
    assert verdict.feasible, verdict.violations
    final = infos[-1]
    assert verdict.values == final
    assert set(final) == set(OBJECTIVES)
    assert sum(rewards) == pytest.approx(job_shop_return(options, instance, first, final), abs=1e-9)
    if reward == "terminal":
        assert not any(rewards[:-1])
    if reward == "bound" or (reward == "load_bound" and timing != "insert"):
        assert all(step <= 0 for step in rewards)
    for before, after in zip([first, *infos], infos, strict=False):
        assert all(after[name] >= before[name] for name in OBJECTIVES)
    assert lower_bound(instance) <= final["makespan"]
    waits = len(rewards) - int(instance.n_ops.sum())
    assert waits == 0 or (waits > 0 and timing in ("wait", "wait_jssenv"))


@pytest.mark.parametrize("timing", TIMINGS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(instance=problems(), seed=st.integers(0, 9))
def test_no_episode_beats_the_optimum(timing, instance, seed):
    small = JobShopInstance(
        "small",
        instance.machine[:3, :3],
        instance.duration[:3, :3],
        instance.n_machines,
        instance.release[:3],
        instance.due[:3],
        instance.weight[:3],
    )
    env = JobShopVectorEnv(1, instance=small, timing=timing)
    env.reset(seed=0)
    _, infos = finish(env, np.random.default_rng(seed))
    facts = (small.release.tolist(), small.due.tolist(), small.weight.tolist())
    for objective in OBJECTIVES:
        best, _ = optimum(job_list(small), small.n_machines, objective, *facts)
        assert infos[-1][objective] >= best


@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=problems(), seed=st.integers(0, 9))
def test_nondelay_never_leaves_a_machine_idle_for_a_waiting_job(instance, seed):
    """Judged on the schedule alone: no operation could have started earlier on an idle machine."""
    env = JobShopVectorEnv(1, instance=instance, timing="nondelay")
    env.reset(seed=0)
    finish(env, np.random.default_rng(seed))
    start = env.solution(0).start
    end = start + instance.duration
    for j, i in np.argwhere(instance.machine >= 0):
        ready = end[j, i - 1] if i else instance.release[j]
        mine = instance.machine == instance.machine[j, i]
        for t in range(ready, start[j, i]):
            assert np.any(mine & (start <= t) & (t < end)), (j, i, t)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=problems(), seed=st.integers(0, 9), timing=st.sampled_from(["append", "wait", "active", "insert"]))
def test_semi_active_and_active_schedules(instance, seed, timing):
    """With strictly positive durations: nothing can move left without (append, wait) or with (active) overtaking."""
    instance = JobShopInstance(
        "positive",
        instance.machine,
        np.where(instance.machine >= 0, np.maximum(1, instance.duration), 0),
        instance.n_machines,
        instance.release,
    )
    env = JobShopVectorEnv(1, instance=instance, timing=timing)
    env.reset(seed=0)
    finish(env, np.random.default_rng(seed))
    start = env.solution(0).start
    end = start + instance.duration
    for j, i in np.argwhere(instance.machine >= 0):
        ready = int(end[j, i - 1] if i else instance.release[j])
        mine = (instance.machine == instance.machine[j, i]) & (start != start[j, i])
        busy = sorted(zip(start[mine].tolist(), end[mine].tolist(), strict=True))
        length = int(instance.duration[j, i])
        moves = [t for t in range(ready, start[j, i]) if all(t + length <= s or t >= e for s, e in busy)]
        if timing == "active":
            assert not moves
        elif timing == "append":
            before = [e for s, e in busy if s < start[j, i]]
            assert start[j, i] == max([ready, *before])
        elif timing == "wait":
            times = {0, *instance.release.tolist(), *end[instance.machine >= 0].tolist()}
            assert int(start[j, i]) in times


def test_insert_fills_gaps_that_append_leaves():
    jobs = {"machine": [[0, 1], [1, 0]], "duration": [[3, 3], [2, 1]], "n_machines": 2}
    starts = {}
    for timing in ("append", "insert"):
        env = JobShopVectorEnv(1, instance={"name": "gap", **jobs}, timing=timing)
        env.reset(seed=0)
        for action in (0, 0, 1, 1):
            env.step(np.array([action]))
        starts[timing] = env.solution(0).start.tolist()
    assert starts == {"append": [[0, 3], [6, 8]], "insert": [[0, 3], [0, 3]]}


@pytest.mark.parametrize("timing", TIMINGS)
def test_one_job_and_one_operation(timing):
    env = JobShopVectorEnv(
        2, instance={"name": "tiny", "machine": [[0]], "duration": [[7]], "n_machines": 1}, timing=timing
    )
    _, info = env.reset(seed=0)
    assert info["action_mask"][:, 0].tolist() == [1, 1]
    assert info["objectives"]["makespan"].tolist() == [7.0, 7.0]
    _, reward, terminated, _, info = env.step(np.array([0, 0]))
    assert (reward.tolist(), terminated.tolist()) == ([0.0, 0.0], [True, True])
    assert validate(env.instance(0), env.solution(0)).values["makespan"] == 7


@pytest.mark.parametrize("timing", TIMINGS)
def test_nothing_takes_any_time(timing):
    shop = {"name": "zero", "machine": [[0, 1], [1, 0]], "duration": [[0, 0], [0, 0]], "n_machines": 2}
    env = JobShopVectorEnv(1, instance=shop, timing=timing, reward="idle")
    env.reset(seed=0)
    rewards, infos = finish(env, np.random.default_rng(0))
    assert sum(rewards) == infos[-1]["makespan"] == 0


@pytest.mark.parametrize("timing", TIMINGS)
def test_times_up_to_the_limit_of_int32(timing):
    """The horizon, all durations after the last release, is the largest the instance accepts."""
    top = 2**31 - 1
    third = (top - 7) // 3
    instance = JobShopInstance(
        "huge",
        [[0, 1], [0, -1]],
        [[third, third], [third, 0]],
        2,
        release=[7, 0],
        due=[-(2**31), -(2**31)],
        weight=[1, 2],
    )
    options = {"timing": timing, "objective": "weighted_tardiness", "reward": "bound"}
    env = JobShopVectorEnv(1, instance=instance, **options)
    _, info = env.reset(seed=0)
    oracle = JobShopOracle(job_shop_options(options), instance, env.single_action_space.n)
    total, rng = 0.0, np.random.default_rng(1)
    while not oracle.play.done:
        action = legal_action(info["action_mask"][0], rng)
        _, reward, _, _, info = env.step(np.array([action]))
        assert reward[0] == oracle.step(action)[0]
        assert row_of(info, 0)["objectives"] == oracle.objectives()
        total += reward[0]
    assert env.solution(0) == oracle.solution()


def test_padding_changes_nothing_but_the_padding():
    rng = np.random.default_rng(0)
    generator = {"name": "uniform", "jobs": [3, 4], "machines": [3, 4], "release": [0, 9]}
    plain = JobShopVectorEnv(4, generator=generator, timing="wait")
    padded = JobShopVectorEnv(4, generator=generator, timing="wait", max_jobs=6, max_machines=7, max_ops=9)
    a, b = plain.reset(seed=5), padded.reset(seed=5)
    assert plain.single_action_space.n == 5
    assert padded.single_action_space.n == 7
    for _ in range(30):
        assert [plain.instance(i).digest for i in range(4)] == [padded.instance(i).digest for i in range(4)]
        assert np.array_equal(a[0]["job"], b[0]["job"][:, :4])
        assert np.array_equal(a[0]["context"], b[0]["context"])
        assert not b[0]["job_mask"][:, 4:].any()
        actions = np.array([legal_action(mask, rng) for mask in a[0]["action_mask"]])
        moved = np.where(actions == 4, 6, actions)
        a, b = plain.step(actions), padded.step(moved)
        assert np.array_equal(a[1], b[1])
        assert np.array_equal(a[2], b[2])


def test_generated_instances_are_the_generators():
    """The kernel draws in place what Generator.sample_key draws from the key of (seed, episode)."""
    settings = {"name": "uniform", "jobs": [2, 4], "machines": 3, "ops": [1, 3], "due_factor": 1.5, "weights": [1, 9]}
    env = JobShopVectorEnv(6, generator=settings, max_jobs=7, max_ops=5)
    env.reset(seed=3)
    keys = np.empty(6, np.uint64)
    for episode in range(3):
        draw_keys(np.arange(3, 9, dtype=np.uint64), np.full(6, episode), keys)
        drawn = [make_generator(settings).sample_key(key) for key in keys]
        assert [env.instance(row) for row in range(6)] == [
            JobShopInstance(env.instance(row).name, one.machine, one.duration, 3, one.release, one.due, one.weight)
            for row, one in enumerate(drawn)
        ]
        assert len({one.digest for one in drawn}) == 6
        env.reset()


def test_a_pool_has_the_space_of_its_generator():
    """So that pools of any seed and size can be played by one policy."""
    settings = {"name": "uniform", "jobs": [2, 9], "machines": [2, 5]}
    fresh = JobShopVectorEnv(2, generator=settings)
    for size, seed in ((1, 0), (3, 1), (2, 2**40)):
        env = JobShopVectorEnv(2, generator=settings, pool_size=size, pool_seed=seed)
        assert env.observation_space == fresh.observation_space
        pool = [make_generator(settings).sample(seed + i) for i in range(size)]
        seen = set()
        for episode in range(40):
            env.reset(seed=2 * episode)
            seen |= {env.instance(row) for row in range(2)}
        assert seen == set(pool)


def test_named_instances_and_taillard():
    env = JobShopVectorEnv(1, instance="ta01")
    env.reset(seed=0)
    assert env.instance(0) == resolve("ta01")
    rewards, infos = finish(env, np.random.default_rng(0))
    assert len(rewards) == 225
    assert infos[-1]["makespan"] >= 1231


def test_solution_of_a_smaller_instance_has_its_own_shape():
    env = JobShopVectorEnv(1, instance="ft06", max_jobs=9, max_ops=9, max_machines=9)
    env.reset(
        options={"instance": {"name": "s", "machine": [[0, 1], [1, -1]], "duration": [[1, 2], [3, 0]], "n_machines": 2}}
    )
    finish(env, np.random.default_rng(0))
    solution = env.solution(0)
    assert isinstance(solution, Schedule)
    assert solution.start.shape == (2, 2)
    assert solution.start[1, 1] == -1
    assert validate(env.instance(0), solution).feasible


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_names_the_objective_that_the_reward_serves(objective):
    env = JobShopVectorEnv(
        2,
        objective=objective,
        reward="terminal",
        autoreset_mode="disabled",
        generator={"name": "uniform", "jobs": 3, "machines": 2, "due_factor": 1.1},
    )
    env.reset(seed=0)
    rewards, _ = finish(env, np.random.default_rng(0))
    assert env.objective == objective
    assert sum(rewards) == -env.objective_values(env.objective)[0]
