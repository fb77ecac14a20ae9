"""VMRescheduling-v0 on random small clusters, for every objective, reward and masking; its rules by hand."""

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_vm import ALIKE, ROOM, TOY, UNLIKE, cluster, vm_return
from ganttlet.core.pool import draw_keys
from ganttlet.vm_rescheduling import make_generator, validate
from ganttlet.vm_rescheduling.batch import VMReschedulingVectorEnv
from ganttlet.vm_rescheduling.instance import Cluster
from reference.play import legal_action, legal_actions, row_of
from reference.vm_strategies import clusters

CHOICES: list[tuple[str, str]] = [
    (objective, reward)
    for objective in ("fr16", "mixed", "goal")
    for reward in ("dense", "terminal", "vmr2l")
    if reward != "vmr2l" or objective == "fr16"
]


def play(env, rng, stop=True):
    """Play random legal actions to the end, stopping only where nothing else is legal unless ``stop``.

    Returns:
        Actions and rewards, and the objectives at the start and after each action.
    """
    _, info = env.reset(seed=0)
    actions, rewards, values = [], [], [row_of(info, 0)["objectives"]]
    while not env.done.all():
        mask = env.action_masks()[0].copy()
        if not stop and mask[:-1].any():
            mask[-1] = 0
        actions.append(legal_action(mask, rng))
        _, reward, _, _, info = env.step(np.array(actions[-1:]))
        rewards.append(reward[0])
        values.append(row_of(info, 0)["objectives"])
    return actions, rewards, values


@pytest.mark.parametrize(("objective", "reward"), CHOICES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=clusters(), seed=st.integers(0, 9), merge=st.booleans())
def test_finished_episodes(objective, reward, instance, seed, merge):
    options = {"objective": objective, "reward": reward}
    env = VMReschedulingVectorEnv(1, instance=instance, merge=merge, **options)
    actions, rewards, values = play(env, np.random.default_rng(seed), stop=seed % 2 == 0)
    verdict = validate(instance, env.solution(0))
    assert verdict.feasible, verdict.violations
    assert values[-1] == {name: verdict.values[name] for name in values[-1]}
    assert set(values[-1]) == {"fr16", "n16", "mixed", "moves", *(["goal"] if objective == "goal" else [])}
    assert sum(rewards) == pytest.approx(vm_return(options, instance, values[0], values[-1]), abs=1e-9)
    stopped = actions[-1] == env.single_action_space.n - 1
    assert len(actions) == 2 * values[-1]["moves"] + stopped
    assert values[-1]["moves"] <= instance.limit
    if reward == "terminal":
        assert not any(rewards[:-1])
    assert env.objective == objective


@pytest.mark.parametrize("objective", ["fr16", "mixed"])
@pytest.mark.parametrize("reward", ["dense", "terminal"])
@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=clusters(), seed=st.integers(0, 9))
def test_cut_plans(objective, reward, instance, seed):
    """An agent that must go on is worth the best place on its way, which an agent that may stop shows."""
    options = {"instance": instance, "objective": objective}
    env = VMReschedulingVectorEnv(1, **options, reward=reward, ending="cut")
    plain = VMReschedulingVectorEnv(1, **options)
    actions, rewards, values = play(env, np.random.default_rng(seed))
    _, info = plain.reset(seed=0)
    ways, stop = [row_of(info, 0)["objectives"]], env.single_action_space.n - 1
    for action in actions:
        if action != stop:
            ways.append(row_of(plain.step(np.array([action]))[4], 0)["objectives"])
    best = min(ways, key=lambda way: way[objective])
    verdict = validate(instance, env.solution(0))
    assert values[-1] == best == {name: verdict.values[name] for name in best}
    assert sum(rewards) == pytest.approx(ways[0][objective] - best[objective], abs=1e-12)
    assert all(step >= 0 for step in rewards)
    assert stop not in actions[:-1]


@pytest.mark.parametrize(("objective", "reward"), CHOICES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(instance=clusters(), seed=st.integers(0, 9))
def test_episodes_with_penalties(objective, reward, instance, seed):
    """Every move counts; the plan holds the feasible ones; each of the others costs its penalty or nothing."""
    options = {"objective": objective, "reward": reward}
    env = VMReschedulingVectorEnv(1, instance=instance, masking="penalty", infeasible_penalty=100.0, **options)
    actions, rewards, values = play(env, np.random.default_rng(seed), stop=False)
    verdict = validate(instance, env.solution(0))
    assert verdict.feasible, verdict.violations
    assert values[-1] == {name: verdict.values[name] for name in values[-1]}
    infeasible = sum(step < -50 for step in rewards)
    promised = vm_return(options, instance, values[0], values[-1]) - 100 * infeasible
    assert sum(rewards) == pytest.approx(promised, abs=1e-9)
    moves = len(actions) // 2
    assert values[-1]["moves"] + infeasible <= moves <= instance.limit
    if objective != "goal":
        assert moves == instance.limit


@pytest.mark.parametrize(("reward", "scale"), [("dense", None), ("vmr2l", 128)])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(instance=clusters(least_limit=1), seed=st.integers(0, 9))
def test_gains_tell_the_reward(reward, scale, instance, seed):
    """What a flip bit is shown to gain, in blocks, is what its move is paid."""
    env = VMReschedulingVectorEnv(1, instance=instance, reward=reward, observation="gains")
    rng = np.random.default_rng(seed)
    column = {f.name: at for at, f in enumerate(env.graph.node("pm").features)}
    per_block = instance.block / (scale or max(1, int(instance.usage().cpu.sum())))
    env.reset(seed=0)
    while not env.done.all():
        seen, mask = env.live_observation["pm"][0].copy(), env.action_masks()[0]
        action = legal_action(mask, rng)
        where = action - instance.n_vms
        fits = seen[:, [column["fits_0"], column["fits_1"]]]
        if env.live_observation["phase"][0, 0]:
            assert fits.ravel().tolist() == mask[instance.n_vms : -1].tolist()
        _, paid, _, _, _ = env.step(np.array([action]))
        if 0 <= where < 2 * instance.n_hosts:
            gain = seen[where // 2, column[f"gain_{where % 2}"]]
            assert paid[0] == pytest.approx(gain * per_block, abs=1e-6)
        else:
            assert paid[0] == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(instance=clusters(least_limit=1), seed=st.integers(0, 9))
def test_merging_hides_no_move(instance, seed):
    """The states that a move may lead to are, up to which of equal VMs moves, the same with and without ``merge``."""
    options = {"instance": instance, "autoreset_mode": "Disabled"}
    both = [VMReschedulingVectorEnv(1, merge=merge, **options) for merge in (True, False)]
    rng = np.random.default_rng(seed)
    for env in both:
        env.reset(seed=0)
    while not both[0].done.all():
        assert successors(both[0], instance) == successors(both[1], instance)
        for _ in range(2):  # the VM and its host
            action = legal_actions(both[0].action_masks(), rng)
            results = [env.step(action) for env in both]
            assert [results[0][part].tolist() for part in (1, 2)] == [results[1][part].tolist() for part in (1, 2)]


def successors(env, instance):
    """What clusters one move may make, equal VMs being interchangeable."""
    names = (instance.cores, instance.memory, instance.split)
    grouped = {int(vm): [group for group, member in instance.groups.tolist() if member == vm] for vm in range(9)}
    found, start = set(), env.snapshot()
    for vm in np.flatnonzero(env.action_masks()[0][: instance.n_vms]):
        env.step(np.array([vm]))
        chosen = env.snapshot()
        for action in np.flatnonzero(env.action_masks()[0]):
            env.step(np.array([action]))
            usage = instance.usage()
            for move in env.solution(0).moves.tolist():
                usage.move(*move)
            rows = zip(*(part.tolist() for part in (*names, usage.host, usage.numa)), strict=True)
            found.add(tuple(sorted((*row, *map(str, grouped[vm])) for vm, row in enumerate(rows))))
            env.restore(chosen)
        env.restore(start)
    return found


def test_no_moves_at_all():
    """With a limit of 0 only stopping is legal."""
    instance = Cluster.from_dict({**ALIKE, "limit": 0})
    env = VMReschedulingVectorEnv(1, instance=instance)
    _, info = env.reset(seed=0)
    stop = env.single_action_space.n - 1
    assert np.flatnonzero(info["action_mask"][0]).tolist() == [stop]
    assert env.max_episode_steps == 4 * (2 * 1 + 1)
    assert [part[0] for part in env.step(np.array([0]))[1:3]] == [-1.0, False]
    _, reward, terminated, _, info = env.step(np.array([stop]))
    assert (reward[0], terminated[0], info["objectives"]["moves"][0]) == (0.0, True, 0.0)
    assert len(env.solution(0).moves) == 0


def test_a_goal_that_is_met_at_the_start():
    """Nothing is to be done, but it may be: the first move ends the episode if the goal still holds after it."""
    given_ = cluster([((8, 8), (8, 8))] * 2, [(2, 1, 0, 0), (8, 1, 1, 1)], block=8, limit=3, goal=0.5)
    for action, reward, ends in ((4, 0.0, True), (0, 0.0, False)):
        env = VMReschedulingVectorEnv(1, instance=given_, objective="goal")
        _, info = env.reset(seed=0)
        assert info["objectives"]["goal"][0] == 0.0
        assert env.step(np.array([{4: 6}.get(action, action)]))[1:3] == (reward, ends)
    _, reward, terminated, _, info = env.step(np.array([2 + 2 * 1]))
    assert (reward[0], terminated[0], info["objectives"]["goal"][0]) == (-1.0, True, 1.0)


@pytest.mark.parametrize("masking", ["exact", "penalty"])
def test_one_host_and_nowhere_to_go(masking):
    instance = Cluster.from_dict(cluster([((4, 4), (4, 4))], [(4, 4, 0, 0), (4, 4, 0, 1)], limit=2))
    env = VMReschedulingVectorEnv(1, instance=instance, masking=masking, infeasible_penalty=3.0)
    _, info = env.reset(seed=0)
    assert info["action_mask"][0].tolist() == [*([0, 0] if masking == "exact" else [1, 1]), 0, 0, 1]
    if masking == "penalty":
        paid = [env.step(np.array([action]))[1][0] for action in (0, 2, 1, 3)]
        assert paid == [0.0, 0.0, 0.0, -3.0]
        assert env.done.all()


def test_the_step_limit_follows_the_padded_space():
    assert VMReschedulingVectorEnv(1, instance=ALIKE).max_episode_steps == 4 * (2 * 5 + 1)
    assert VMReschedulingVectorEnv(1, instance=ALIKE, max_moves=9).max_episode_steps == 4 * (2 * 9 + 1)


def test_padding_changes_nothing_but_the_padding():
    rng = np.random.default_rng(0)
    toy = {**TOY, "hosts": [3, 4], "vms": [5, 7]}
    plain = VMReschedulingVectorEnv(4, generator=toy, observation="gains", merge=True)
    padded = VMReschedulingVectorEnv(4, generator=toy, observation="gains", merge=True, **ROOM)
    a, b = plain.reset(seed=5), padded.reset(seed=5)
    assert (plain.single_action_space.n, padded.single_action_space.n) == (7 + 8 + 1, 14 + 12 + 1)
    for _ in range(40):
        assert [plain.instance(i).digest for i in range(4)] == [padded.instance(i).digest for i in range(4)]
        for key, width in (("vm", 7), ("pm", 4), ("on_index", 7)):
            assert np.array_equal(a[0][key], b[0][key][:, :width])
        assert np.array_equal(a[0]["context"], b[0]["context"])
        assert not b[0]["vm_mask"][:, 7:].any()
        assert not b[0]["pm_mask"][:, 4:].any()
        actions = legal_actions(a[0]["action_mask"], rng)
        moved = np.where(actions == 15, 26, np.where(actions >= 7, actions + 7, actions))
        a, b = plain.step(actions), padded.step(moved)
        assert np.array_equal(a[1], b[1])
        assert np.array_equal(a[2], b[2])


def test_generated_instances_are_the_generators():
    """Up to their names, and to the number and order of the pairs of groups."""
    env = VMReschedulingVectorEnv(6, generator=TOY, **ROOM)
    env.reset(seed=3)
    keys = np.empty(6, np.uint64)
    for episode in range(3):
        draw_keys(np.arange(3, 9, dtype=np.uint64), np.full(6, episode), keys)
        drawn = [make_generator(TOY).sample_key(key) for key in keys]
        assert [env.instance(row).digest for row in range(6)] == [one.digest for one in drawn]
        assert len({one.digest for one in drawn}) == 6
        env.reset()


def test_a_pool_has_the_space_of_its_generator():
    """So that pools of any seed and size can be played by one policy."""
    fresh = VMReschedulingVectorEnv(2, generator=TOY)
    for size, seed in ((1, 0), (3, 1), (2, 2**40)):
        env = VMReschedulingVectorEnv(2, generator=TOY, pool_size=size, pool_seed=seed)
        assert env.observation_space == fresh.observation_space
        pool = [make_generator(TOY).sample(seed + i) for i in range(size)]
        seen = set()
        for episode in range(40):
            env.reset(seed=2 * episode)
            seen |= {env.instance(row) for row in range(2)}
        assert seen == set(pool)


@pytest.mark.parametrize("preset", ["vmr2l", "vmr2l_penalty"])
def test_presets_can_be_overridden(preset):
    rng = np.random.default_rng(1)
    written = {"reward": "vmr2l", "gamma": 0.99}
    if preset == "vmr2l_penalty":
        written |= {"masking": "penalty", "infeasible_penalty": 5.0}
    pair = [VMReschedulingVectorEnv(3, instance=UNLIKE, **options) for options in ({"preset": preset}, written)]
    undiscounted = VMReschedulingVectorEnv(3, instance=UNLIKE, preset=preset, gamma=1.0)
    for env in (*pair, undiscounted):
        env.reset(seed=0)
    seen = set()
    for _ in range(20):
        actions = legal_actions(pair[0].action_masks(), rng)
        a, b, c = (env.step(actions) for env in (*pair, undiscounted))
        assert a[1].tolist() == b[1].tolist() == c[1].tolist()
        assert a[4]["discount"].tolist() == b[4]["discount"].tolist()
        assert c[4]["discount"].tolist() == [1.0] * 3
        seen |= set(a[4]["discount"].tolist())
    assert seen == {0.99, 1.0}


def test_the_default_is_a_small_cluster_of_level_h():
    env = gym.make("ganttlet/VMRescheduling-v0").unwrapped
    env.reset(seed=0)
    assert (env.instance.n_hosts, env.instance.limit, env.instance.block) == (20, 10, 16)
    goal = gym.make("ganttlet/VMRescheduling-v0", objective="goal").unwrapped
    goal.reset(seed=0)
    assert goal.instance.goal == 0.4
