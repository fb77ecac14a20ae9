"""The Gumbel search: against its slow twin, against enumeration, and what it must leave alone."""

from itertools import pairwise

import numpy as np
import pytest

from families_memory import program
from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance, validate
from ganttlet_agents.search import greedy, gumbel, make_batch
from ganttlet_agents.search.planning import Planner, Planning, rounds
from reference.gumbel import SlowGumbel

MEMORY, SHOP = "ganttlet/MemoryMapping-v0", "ganttlet/JobShop-v0"


def small_program(seed):
    """Return a program of four instructions on buffers that do not all fit."""
    rng = np.random.default_rng(seed)
    buffers = {"x": ("input", 4), "w": ("param", int(rng.integers(3, 12))), "v": ("const", int(rng.integers(2, 8)))}
    code, known = [], ["x", "w", "v"]
    for time in range(4):
        result = f"t{time}"
        buffers[result] = ("output" if time == 3 else "temp", int(rng.integers(3, 9)))
        code.append((int(rng.integers(0, 12)), " ".join(rng.choice(known, 2, replace=False)), result))
        known.append(result)
    used = {name for _, *texts in code for text in texts for name in text.split()}
    return program({name: facts for name, facts in buffers.items() if name in used}, code)


def small_shop(seed, jobs=3):
    rng = np.random.default_rng(seed)
    machine = [rng.permutation(3) for _ in range(jobs)]
    return JobShopInstance(f"small-{seed}", machine, rng.integers(1, 9, (jobs, 3)), 3)


def smaller_shop(seed):
    return small_shop(seed, 2)


CASES = [
    pytest.param(MEMORY, small_program, {}, id="memory"),
    pytest.param(MEMORY, small_program, {"skip_forced": True, "gamma": 0.9}, id="memory-skip"),
    pytest.param(SHOP, small_shop, {"timing": "active"}, id="shop"),
    pytest.param(SHOP, smaller_shop, {"timing": "append", "gamma": 0.95}, id="shop-append"),
]
both = pytest.mark.parametrize(("env_id", "draw", "options"), CASES)


def uniform(obs):
    """Knows nothing."""
    return np.zeros(obs["action_mask"].shape), np.zeros(len(obs["action_mask"]))


def random_network(seed):
    """Return fixed random logits and values of the whole observation, row by row, so that no batch changes them."""

    def evaluate(obs):
        rows, actions = obs["action_mask"].shape
        found = np.zeros((rows, actions + 1))
        for row in range(rows):
            seen = np.concatenate([np.ravel(obs[key][row]) for key in sorted(obs) if key != "action_mask"])
            weights = np.random.default_rng(seed).normal(size=(actions + 1, len(seen)))
            found[row] = [np.sum(np.tanh(seen) * one) / 3 for one in weights]
        return found[:, :-1], np.tanh(found[:, -1])

    return evaluate


def begun(env_id, instance, rows, options):
    env = make_batch(env_id, rows, [instance], **options)
    env.reset(seed=[0] * rows)
    return env


def least_value(env):
    """Return the least objective that row 0 can still come to, by enumeration."""
    if env.done[0]:
        return float(env.objective_values(env.objective)[0])
    here, best = env.snapshot([0]), np.inf
    for action in np.flatnonzero(env.live_mask[0]):
        env.step([action])
        best = min(best, least_value(env))
        env.restore(here)
    return best


# Against enumeration.


@both
@pytest.mark.parametrize("seed", range(3))
def test_searches_without_any_knowledge_find_the_optimum(env_id, draw, options, seed):
    instance, options = draw(seed), {key: value for key, value in options.items() if key != "gamma"}
    least = least_value(begun(env_id, instance, 1, options))
    env = make_batch(env_id, 650, [instance], **options)
    found = gumbel(env, uniform, None, simulations=64, episodes=10, least_range=0.0)
    assert found.value == pytest.approx(least, rel=1e-12)


# Against the slow twin.


@both
@pytest.mark.parametrize(
    ("simulations", "considered", "least"), [(1, 3, 0.0), (6, 2, 0.0), (21, 3, 0.5), (32, 16, 0.0)]
)
def test_every_search_is_the_slow_twins(env_id, draw, options, simulations, considered, least):
    instance, evaluate, rng = draw(4), random_network(7), np.random.default_rng(simulations)
    env, one = begun(env_id, instance, 2 * (simulations + 1), options), begun(env_id, instance, 1, options)
    planner = Planner(env, evaluate, Planning(simulations, considered, 0.3, 40.0, least, 2.0))
    twin = SlowGumbel(one, evaluate, simulations, considered, 0.3, 40.0, least, 2.0)
    root, searches = np.array([1]), 0
    planner.begin(root)
    while not one.done[0] and one.live_mask[0].sum() == 1:
        twin.once(int(one.live_mask[0].argmax()))
    while not one.done[0]:
        noise = rng.gumbel(size=(1, env.graph.n_actions))
        found, (action, visits, policy) = planner.search(root, noise), twin.search(noise[0].tolist())
        assert found.actions.tolist() == [action]
        assert {a: int(count) for a, count in enumerate(found.visits[0]) if count} == visits
        assert found.policy[0] == pytest.approx([policy.get(a, 0.0) for a in range(len(found.policy[0]))], abs=1e-9)
        assert planner.simulated == twin.steps
        reward, discount = planner.play(root, found.actions)
        assert (reward[0], discount[0]) == pytest.approx(twin.step(action))
        twin.steps = planner.simulated
        assert env.flags.steps[1] == one.flags.steps[0]
        searches += 1
    assert env.done[1]
    assert searches > 1
    assert env.solution(1) == one.solution(0)


# Its parts.


def test_rounds_of_sequential_halving():
    assert rounds(4, 16) == [(4, 4)] * 2 + [(2, 2)] * 4
    assert rounds(3, 32) == [(3, 3)] * 5 + [(2, 2)] * 8 + [(2, 1)]
    assert rounds(2, 5) == [(2, 2), (2, 2), (2, 1)]
    assert rounds(1, 3) == [(1, 1)] * 3
    for actions in range(1, 20):
        for simulations in range(actions, 70):
            plan = rounds(actions, simulations)
            assert sum(size for _, size in plan) == simulations
            assert plan[0] == (actions, actions)
            assert all(size == standing for standing, size in plan[:-1])
            assert all(after <= before for (before, _), (after, _) in pairwise(plan))


@both
def test_one_simulation_plays_the_priors_gumbel_choice(env_id, draw, options):
    env, evaluate = begun(env_id, draw(0), 2, options), random_network(3)
    planner, rng, root = Planner(env, evaluate, Planning(1)), np.random.default_rng(0), np.array([0])
    planner.begin(root)
    chosen = []
    for _ in range(20):
        noise = rng.gumbel(size=(1, env.graph.n_actions))
        legal = np.where(
            env.live_mask[:1], noise + evaluate({k: part[:1] for k, part in env.live_observation.items()})[0], -np.inf
        )
        chosen.append(int(planner.search(root, noise).actions[0]))
        assert chosen[-1] == legal.argmax()
    assert len(set(chosen)) > 1


@both
def test_one_simulation_without_noise_is_greedy(env_id, draw, options):
    instance, evaluate = draw(1), random_network(5)
    found = gumbel(make_batch(env_id, 2, [instance], **options), evaluate, instance, simulations=1)
    expected = greedy(make_batch(env_id, 1, [instance], **options), lambda obs: evaluate(obs)[0], instance)
    assert found.solution == expected.solution
    assert found.values.tolist() == [expected.value] * 2
    assert found.decisions == found.simulated == 2 * expected.simulated


def test_misleading_values_do_no_harm():
    """Values that want the shortest of three jobs to wait spoil the search; the greedy sequence is returned."""
    instance = JobShopInstance("queue", [[0], [0], [0]], [[1], [3], [5]], 1)

    def misled(obs):
        return np.tile([2.0, 1.0, 0.0], (len(obs["job"]), 1)), 100.0 * obs["action_mask"][:, 0]

    env = make_batch(SHOP, 9, [instance], objective="flow_time")
    found = gumbel(env, misled, instance, simulations=8, value_scale=1.0, objective="flow_time")
    assert found.values[0] == found.value == 1 + 4 + 9 < found.values[1]
    assert found.solution.start.tolist() == [[0], [1], [4]]


@both
def test_a_search_leaves_its_root_as_it_was_and_plays_legal_actions_alone(env_id, draw, options):
    instance = draw(2)
    env = make_batch(env_id, 61, [instance], strict=True, **options)
    env.reset(seed=[0] * 61)
    planner, root = Planner(env, random_network(1), Planning(60)), np.array([0])
    planner.begin(root)
    while not env.done[0]:
        before = {key: part[0].copy() for key, part in env.live_observation.items()}
        solution, steps = env.solution(0), env.flags.steps[0]
        found = planner.search(root, np.zeros((1, env.graph.n_actions)))
        assert all(np.array_equal(part[0], before[key]) for key, part in env.live_observation.items())
        assert (env.solution(0), env.flags.steps[0]) == (solution, steps)
        illegal = env.live_mask[0] == 0
        assert not found.policy[0][illegal].any()
        assert not found.visits[0][illegal].any()
        assert found.policy[0].sum() == pytest.approx(1.0)
        assert found.visits[0].sum() == 60
        planner.play(root, found.actions)


# Whole sequences.


@both
def test_the_result_does_not_depend_on_the_trees_side_by_side(env_id, draw, options):
    instance, evaluate = draw(5), random_network(2)
    found = [
        gumbel(make_batch(env_id, rows, [instance], **options), evaluate, given, simulations=6, episodes=5, seed=3)
        for rows, given in ((7, instance), (14, None), (40, instance))
    ]
    for one in found[1:]:
        assert one.values.tolist() == found[0].values.tolist()
        assert one.solution == found[0].solution
        assert (one.decisions, one.simulated) == (found[0].decisions, found[0].simulated)
    assert found[0].value == found[0].values.min()
    assert found[0].decisions < found[0].simulated
    fewer = gumbel(make_batch(env_id, 21, [instance], **options), evaluate, instance, simulations=6, episodes=2, seed=3)
    assert fewer.values.tolist() == found[0].values[:3].tolist()


def test_sequences_differ_by_their_noise_and_repeat_under_their_seed():
    instance = JobShopInstance("wide", [[0, 1]] * 6, np.arange(1, 13).reshape(6, 2), 2)
    env = make_batch(SHOP, 30, [instance])
    values = [
        gumbel(env, uniform, instance, simulations=2, considered=2, episodes=10, seed=seed).values.tolist()
        for seed in (0, 0, 1)
    ]
    assert values[0] == values[1] != values[2]
    assert len(set(values[0])) > 2
    assert values[0][:2] == values[2][:2]


def test_the_best_is_chosen_by_the_objective_asked_for():
    instance = JobShopInstance("due", [[0, 1], [1, 0], [0, 1]], [[4, 3], [2, 5], [3, 6]], 2, due=[7, 9, 4])
    env = make_batch(SHOP, 12, [instance], timing="append")
    found = gumbel(env, uniform, instance, simulations=2, considered=2, episodes=30, objective="total_tardiness")
    assert found.value == found.values.min() < found.values.max()
    assert validate(instance, found.solution).values["total_tardiness"] == found.value


def test_seconds_end_the_sequences_after_the_first_round():
    instance = small_shop(0)
    env = make_batch(SHOP, 12, [instance])
    assert len(gumbel(env, uniform, instance, simulations=3, episodes=50, seconds=0.0).values) == 1 + 3
    assert len(gumbel(env, uniform, instance, simulations=3, episodes=7, seconds=1e6).values) == 1 + 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulations": 12}, "simulations: 12 need a batch of 13 rows, got 12"),
        ({"simulations": 0}, "simulations: expected an integer of at least 1"),
        ({"considered": 0}, "considered: expected an integer of at least 1"),
        ({"episodes": 0}, "episodes: expected an integer of at least 1"),
        ({"value_scale": -1.0}, "value_scale: expected a number of at least 0"),
        ({"least_range": -1.0}, "least_range: expected a number of at least 0"),
        ({"reward_scale": float("nan")}, "reward_scale: expected a number of at least 0"),
        ({"seconds": -1.0}, "seconds: expected a number of at least 0"),
        ({"objective": "colour"}, "objective: unknown"),
    ],
)
def test_mistakes_name_what_was_expected(changes, message):
    instance = small_shop(0)
    with pytest.raises(InputError, match=message):
        gumbel(make_batch(SHOP, 12, [instance]), uniform, instance, **{"simulations": 4, **changes})


@pytest.mark.parametrize("values", [lambda rows: np.zeros((rows, 1)), lambda rows: np.full(rows, np.nan)])
def test_values_that_cannot_be_used_are_refused(values):
    instance = small_shop(0)
    with pytest.raises(InputError, match="evaluator: expected 1 finite values"):
        gumbel(
            make_batch(SHOP, 12, [instance]),
            lambda obs: (uniform(obs)[0], values(len(obs["action_mask"]))),
            instance,
            simulations=4,
        )
