"""Wrong arguments of JobShop-v0: one InputError that names them, however the environment is made."""

import functools

import gymnasium as gym
import numpy as np
import pytest

import ganttlet  # noqa: F401  (registers the ids)
from families import EVEN, ODD, shop
from ganttlet.core.errors import InputError
from ganttlet.job_shop.env import JobShopEnv, JobShopVectorEnv

ID = "ganttlet/JobShop-v0"
DRAW = {"name": "uniform", "jobs": 3, "machines": 2}
NO_DUE = shop([[(0, 3), (1, 2)], [(0, 2)]], 2)

WRONG = [
    # unknown names and values
    ({"surprise": 1}, "'surprise'"),
    ({"Timing": "active"}, "'Timing'"),
    ({"timing": "later"}, "timing: unknown value 'later'; expected one of nondelay, active, wait"),
    ({"timing": None}, "timing"),
    ({"objective": "cost"}, "objective: unknown value 'cost'; expected one of makespan"),
    ({"reward": "sparse"}, "reward: unknown value 'sparse'; expected one of bound, terminal, idle, load_bound"),
    ({"observation": "image"}, "observation: unknown value 'image'; expected one of jobs, machines, graph"),
    ({"preset": "isbjssp"}, "preset: unknown value 'isbjssp'; expected one of l2d"),
    ({"preset": ["l2d"]}, "preset"),
    ({"static": "never"}, "static: unknown value 'never'"),
    ({"render_mode": "ascii"}, "render_mode: unknown value 'ascii'"),
    # numbers
    *[
        ({key: value}, f"{key}: expected an integer of at least 1")
        for key in ("window", "max_jobs", "max_machines", "max_ops", "max_episode_steps")
        for value in (0, -1, 1.5, "2", True)
    ],
    ({"window": None}, "window: expected an integer"),
    ({"generator": DRAW, "pool_size": 0}, "pool_size: expected an integer of at least 1"),
    ({"generator": DRAW, "pool_size": 2.0}, "pool_size: expected an integer of at least 1"),
    ({"generator": DRAW, "pool_size": 2, "pool_seed": "a"}, "pool_seed: expected an integer"),
    ({"generator": DRAW, "pool_size": 2, "pool_seed": -1}, "pool_seed: expected an integer"),
    *[
        ({"illegal_penalty": value}, "illegal_penalty: expected a number of at least 0")
        for value in (-1, float("nan"), float("inf"), "1", None, True)
    ],
    *[({"gamma": value}, "gamma: expected a number in 0 … 1") for value in (-0.1, 1.1, float("nan"), "1", None)],
    ({"copy": "false"}, "copy: expected True or False"),
    ({"strict": 1}, "strict: expected True or False"),
    # impossible pairs
    *[
        ({"reward": reward, "objective": objective}, f"reward='{reward}' .*objective='{objective}'")
        for reward in ("idle", "load_bound")
        for objective in ("flow_time", "total_tardiness", "weighted_tardiness")
    ],
    ({"preset": "jssenv", "objective": "flow_time"}, "reward='idle'"),
    ({"static": "index"}, "static='index'.*no static blocks"),
    ({"instance": "ft06", "instances": ["ft06"]}, "instance and instances: give only one"),
    ({"instance": "ft06", "generator": DRAW}, "instance and generator: give only one"),
    ({"instances": ["ft06"], "generator": DRAW}, "instances and generator: give only one"),
    ({"instance": "ft06", "pool_size": 3}, "pool_size: .*leave 'instance' out"),
    ({"instances": ["ft06"], "pool_size": 3}, "pool_size: .*leave 'instances' out"),
    ({"generator": DRAW, "pool_seed": 3}, "pool_seed: .*pool_size"),
    ({"instance": "ft06", "pool_seed": 3}, "pool_seed: .*pool_size"),
    ({"instance": "ft06", "max_machine_ops": 9}, "max_machine_ops: .*insert"),
    # instances and generators
    ({"instance": "no-such"}, "'no-such'"),
    ({"instance": 7}, "instance"),
    ({"instance": {**EVEN, "surprise": 1}}, "'surprise'"),
    ({"instances": []}, "instances: expected at least one"),
    ({"instances": "ft06"}, "instances: expected a list"),
    ({"instances": EVEN}, "instances: expected a list"),
    ({"instances": 3}, "instances: expected a list"),
    ({"generator": "uniform"}, "generator: expected a mapping"),
    ({"generator": {**DRAW, "name": "gauss"}}, "gauss"),
    ({"generator": {**DRAW, "sigma": 1}}, "'sigma'"),
    ({"generator": {"name": "uniform", "jobs": 3}}, "'machines' is missing"),
    ({"generator": {**DRAW, "high": 10**6, "weights": [1, 2**31 - 1], "due_factor": 1}}, "'weights'.*2\\*\\*53"),
    # sizes
    ({"instance": "ft06", "max_jobs": 5}, "max_jobs=5: the instances need 6"),
    ({"instance": "ft06", "max_machines": 5}, "max_machines=5: the instances need 6"),
    ({"instance": "ft06", "max_ops": 5}, "max_ops=5: the instances need 6"),
    ({"instance": "ft06", "timing": "insert", "max_machine_ops": 5}, "max_machine_ops=5: the instances need 6"),
    ({"instances": ["ft06", ODD], "max_jobs": 5}, "max_jobs=5: the instances need 6"),
    ({"generator": {**DRAW, "jobs": [2, 9]}, "max_jobs": 8}, "max_jobs=8: the instances need 9"),
    # due dates
    ({"instance": NO_DUE, "objective": "total_tardiness"}, "'due' is missing"),
    ({"instances": [EVEN, NO_DUE], "objective": "weighted_tardiness"}, "'due' is missing"),
    ({"generator": DRAW, "objective": "total_tardiness"}, "needs due dates.*'due_factor'"),
    ({"generator": DRAW, "pool_size": 2, "objective": "total_tardiness"}, "needs due dates"),
]
MAKERS = {
    "make": functools.partial(gym.make, ID),
    "make_vec": functools.partial(gym.make_vec, ID, 2),
    "sync": functools.partial(gym.make_vec, ID, 2, vectorization_mode="sync"),
    "class": JobShopEnv,
    "vector class": functools.partial(JobShopVectorEnv, 2),
}


def test_the_examples_are_right_without_the_mistake():
    """What the wrong ones build on is accepted, so that they fail for the reason they name."""
    for options in (
        {"generator": DRAW, "pool_size": 2, "pool_seed": 3},
        {"pool_size": 2, "timing": "active"},
        {"instance": EVEN, "objective": "total_tardiness"},
        {"instances": ["ft06", ODD], "max_jobs": 6},
        {"instance": "ft06", "timing": "insert", "max_machine_ops": 6},
        {"generator": {**DRAW, "due_factor": 1.5}, "objective": "total_tardiness"},
        {"observation": "graph", "static": "index"},
        {"reward": "idle"},
        {"reward": "load_bound"},
        {"window": np.int64(3), "gamma": np.float32(0.5), "illegal_penalty": 0, "max_episode_steps": np.int32(9)},
    ):
        assert JobShopVectorEnv(2, **options).reset(seed=0)[0]["job"].any()


def ways():
    """Every mistake in every way to make an environment, but where Gymnasium takes the argument for itself."""
    for number, (options, message) in enumerate(WRONG):
        for maker in MAKERS:
            if maker not in ("make", "sync") or not {"max_episode_steps", "render_mode"} & set(options):
                yield pytest.param(maker, options, message, id=f"{maker}-{number}-{'-'.join(options)}")


@pytest.mark.parametrize(("maker", "options", "message"), list(ways()))
def test_one_error_names_it(maker, options, message):
    with pytest.raises(InputError, match=message):
        MAKERS[maker](**options)


@pytest.mark.parametrize("value", ["later", None, 3])
def test_autoreset_mode(value):
    with pytest.raises(InputError, match=r"autoreset_mode: unknown value .*next_step, same_step, disabled"):
        gym.make_vec(ID, 2, autoreset_mode=value)


@pytest.mark.parametrize("number", [0, -1, 1.5, "2", None])
def test_number_of_rows(number):
    with pytest.raises(InputError, match="num_envs: expected an integer of at least 1"):
        JobShopVectorEnv(number)


DAMAGED = {
    "truncated.txt": ("3 2\n0 5 1 4\n1 3 0 2\n", "truncated.txt"),
    "letters.txt": ("2 2\n0 5 1 x\n1 3 0 2\n", "letters.txt.*line 2|letters.txt:2"),
    "machine.txt": ("2 2\n0 5 7 4\n1 3 0 2\n", "machine.txt"),
    "negative.txt": ("2 2\n0 5 1 -4\n1 3 0 2\n", "negative.txt"),
    "record.json": ('{"machine": [[0]], "durat', "record.json"),
    "empty.txt": ("", "empty.txt"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("maker", ["make", "make_vec"])
def test_damaged_files_are_named(tmp_path, name, maker):
    text, message = DAMAGED[name]
    path = tmp_path / name
    path.write_text(text)
    for spec in (str(path), path):
        with pytest.raises(InputError, match=message):
            MAKERS[maker](instance=spec)
    env = gym.make(ID, instance="ft06")
    with pytest.raises(InputError, match=message):
        env.reset(options={"instance": str(path)})
    with pytest.raises(InputError, match=r"missing\.txt"):
        gym.make(ID, instance=str(tmp_path / "missing.txt"))


def test_an_instance_larger_than_the_space_says_which_option_to_raise():
    env = JobShopVectorEnv(1, instance="ft06", timing="insert")
    env.reset(seed=0)
    for jobs, machines, option in (
        ([[(j % 2, 1)] for j in range(7)], 2, "max_jobs=7"),
        ([[(6, 1)]], 7, "max_machines=7"),
        ([[(i % 2, 1) for i in range(7)]], 2, "max_ops=7"),
        ([[(0, 1)] * 3] * 3, 1, "max_machine_ops=9"),
    ):
        given = shop(jobs, machines)
        with pytest.raises(InputError, match=f"padded space holds 6; make the environment with {option}"):
            env.reset(options={"instance": given})
        name, value = option.split("=")
        wide = JobShopVectorEnv(1, instance="ft06", timing="insert", **{name: int(value)})
        wide.reset(options={"instance": given})
    JobShopVectorEnv(1, instance="ft06").reset(options={"instance": shop([[(0, 1)] * 3] * 3, 1)})


def test_given_instances_need_due_dates_where_tardiness_is_shown():
    for options in ({"instance": EVEN}, {"objective": "total_tardiness"}):
        env = JobShopVectorEnv(1, **options)
        with pytest.raises(InputError, match="'due' is missing"):
            env.reset(options={"instance": NO_DUE})
    JobShopVectorEnv(1, max_jobs=6).reset(options={"instance": NO_DUE})
