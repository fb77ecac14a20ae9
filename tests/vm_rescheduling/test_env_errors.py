"""Wrong arguments of VMRescheduling-v0 and PodPacking-v0: one InputError that names them, however one is made."""

import functools

import gymnasium as gym
import numpy as np
import pytest

import ganttlet  # noqa: F401  (registers the ids)
from families_vm import ALIKE, CROWDED, FEW, LONE, REPLICAS, TOY, UNLIKE, cluster, pods
from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.batch import PodPackingVectorEnv, VMReschedulingVectorEnv
from ganttlet.vm_rescheduling.env import VMReschedulingEnv
from ganttlet.vm_rescheduling.pods_env import PodPackingEnv

VM, POD = "ganttlet/VMRescheduling-v0", "ganttlet/PodPacking-v0"
DRAW = {"name": "toy", "hosts": 3, "vms": 5}
NO_GOAL = cluster([((4, 4), (4, 4))] * 2, [(1, 1, 0, 0), (2, 0, 1, 2)], limit=5)
SIZES = ("max_hosts", "max_vms", "max_moves", "max_kinds", "max_groups", "max_members")

COMMON = [
    ({"surprise": 1}, "'surprise'"),
    ({"static": "never"}, "static: unknown value 'never'"),
    ({"static": "index"}, "static='index'.*no static blocks"),
    ({"render_mode": "ascii"}, "render_mode: unknown value 'ascii'"),
    ({"reward": "sparse"}, "reward: unknown value 'sparse'; expected one of dense, terminal"),
    *[
        ({key: value}, f"{key}: expected an integer of at least 1")
        for key in (*SIZES, "max_episode_steps")
        for value in (0, -1, 1.5, "2", True)
    ],
    ({"pool_size": 0}, "pool_size: expected an integer of at least 1"),
    ({"pool_size": 2, "pool_seed": -1}, "pool_seed: expected an integer"),
    ({"pool_seed": 3}, "pool_seed: .*pool_size"),
    *[
        ({"illegal_penalty": value}, "illegal_penalty: expected a number of at least 0")
        for value in (-1, float("nan"), float("inf"), "1", None, True)
    ],
    *[({"gamma": value}, "gamma: expected a number in 0 … 1") for value in (-0.1, 1.1, float("nan"), "1", None)],
    ({"copy": "false"}, "copy: expected True or False"),
    ({"strict": 1}, "strict: expected True or False"),
    ({"instance": "no-such"}, "no-such"),
    ({"instance": 7}, "instance"),
    ({"instances": []}, "instances: expected at least one"),
    ({"instances": "medium"}, "instances: expected a list"),
    ({"instances": ALIKE}, "instances: expected a list"),
    ({"generator": "toy"}, "generator: expected a mapping"),
    ({"generator": {"name": "gauss"}}, "gauss"),
    ({"generator": {}}, "'name' is missing"),
]
WRONG_VMS = [
    *COMMON,
    ({"Objective": "fr16"}, "'Objective'"),
    ({"objective": "fr64"}, "objective: unknown value 'fr64'; expected one of fr16, mixed, goal"),
    ({"objective": None}, "objective"),
    ({"objective": "unplaced"}, "objective: unknown value 'unplaced'"),
    ({"masking": "none"}, "masking: unknown value 'none'; expected one of exact, penalty"),
    ({"observation": "image"}, "observation: unknown value 'image'; expected one of plain, gains"),
    ({"preset": "vmr3l"}, "preset: unknown value 'vmr3l'; expected one of vmr2l"),
    ({"preset": ["vmr2l"]}, "preset"),
    *[({"merge": value}, "merge: expected True or False") for value in (1, "yes", None)],
    *[
        ({"infeasible_penalty": value}, "infeasible_penalty: expected a number of at least 0")
        for value in (-1, float("nan"), float("inf"), "1", None, True)
    ],
    *[({"reward": "vmr2l", "objective": one}, f"reward='vmr2l' .*objective='{one}'") for one in ("mixed", "goal")],
    ({"preset": "vmr2l", "objective": "goal"}, "reward='vmr2l'"),
    ({"ending": "never"}, "ending: unknown value 'never'; expected one of stop, cut"),
    ({"ending": "cut", "objective": "goal"}, "ending='cut': needs objective 'fr16' or 'mixed'"),
    ({"ending": "cut", "reward": "vmr2l"}, "ending='cut': needs .*reward 'dense' or 'terminal'"),
    # sources
    ({"instance": ALIKE, "instances": [ALIKE]}, "instance and instances: give only one"),
    ({"instance": ALIKE, "generator": DRAW}, "instance and generator: give only one"),
    ({"instances": [ALIKE], "generator": DRAW}, "instances and generator: give only one"),
    ({"instance": ALIKE, "pool_size": 3}, "pool_size: .*leave 'instance' out"),
    ({"instances": [ALIKE], "pool_size": 3}, "pool_size: .*leave 'instances' out"),
    ({"instance": {**ALIKE, "surprise": 1}}, "'surprise'"),
    ({"generator": {**DRAW, "sigma": 1}}, "'sigma'"),
    # the other kind of problem
    ({"instance": FEW}, "has priorities; play it in ganttlet/PodPacking-v0"),
    ({"instances": [ALIKE, FEW]}, "has priorities; play it in ganttlet/PodPacking-v0"),
    ({"generator": REPLICAS}, "generator 'pods': draws pods"),
    # sizes: hosts, VMs, moves, kinds, groups, pairs of UNLIKE
    *[
        ({"instance": UNLIKE, option: have - 1}, f"{option}={have - 1}: the instances need {have}")
        for option, have in zip(SIZES, (3, 8, 4, 5, 2, 4), strict=True)
    ],
    ({"instances": [LONE, UNLIKE], "max_vms": 5}, "max_vms=5: the instances need 8"),
    ({"generator": {**DRAW, "vms": [2, 9]}, "max_vms": 8}, "max_vms=8: the instances need 9"),
    ({"generator": {**DRAW, "mnl": [2, 9]}, "max_moves": 8}, "max_moves=8: the instances need 9"),
    # goals
    ({"instance": NO_GOAL, "objective": "goal"}, "'goal' is missing"),
    ({"instances": [ALIKE, NO_GOAL], "objective": "goal"}, "'goal' is missing"),
    ({"generator": DRAW, "objective": "goal"}, "goal"),
    ({"generator": DRAW, "objective": "goal", "pool_size": 2}, "goal"),
]
WRONG_PODS = [
    *COMMON,
    *[
        ({option: value}, f"'{option}'")
        for option, value in (
            ("objective", "unplaced"),
            ("masking", "exact"),
            ("observation", "plain"),
            ("merge", False),
            ("infeasible_penalty", 1.0),
            ("preset", "vmr2l"),
            ("ending", "cut"),
        )
    ],
    ({"reward": "vmr2l"}, "reward: unknown value 'vmr2l'; expected one of dense, terminal"),
    ({"instance": ALIKE}, "has no field 'priority'; play it in ganttlet/VMRescheduling-v0"),
    ({"generator": TOY}, "generator 'toy': draws VMs"),
    # No two of the seven pods are equal.
    *[
        ({"instance": CROWDED, option: have - 1}, f"{option}={have - 1}: the instances need {have}")
        for option, have in zip(SIZES, (3, 7, 4, 7, 2, 4), strict=True)
    ],
]
WRONG = [(VM, *one) for one in WRONG_VMS] + [(POD, *one) for one in WRONG_PODS]
CLASSES = {VM: (VMReschedulingEnv, VMReschedulingVectorEnv), POD: (PodPackingEnv, PodPackingVectorEnv)}


def makers(env_id):
    single, vector = CLASSES[env_id]
    return {
        "make": functools.partial(gym.make, env_id),
        "make_vec": functools.partial(gym.make_vec, env_id, 2),
        "sync": functools.partial(gym.make_vec, env_id, 2, vectorization_mode="sync"),
        "class": single,
        "vector class": functools.partial(vector, 2),
    }


def test_the_examples_are_right_without_the_mistake():
    """What the wrong ones build on is accepted, so that they fail for the reason they name."""
    for options in (
        {"generator": DRAW, "pool_size": 2, "pool_seed": 3},
        {"instance": NO_GOAL, "objective": "mixed", "max_kinds": 2},
        {"instance": UNLIKE, **dict(zip(SIZES, (3, 8, 4, 5, 2, 4), strict=True))},
        {"instances": [ALIKE, LONE], "objective": "goal", "masking": "penalty", "infeasible_penalty": 0},
        {"generator": {**DRAW, "goal": 0.3}, "objective": "goal", "pool_size": 2},
        {"reward": "vmr2l", "merge": True, "observation": "gains"},
        {"preset": "vmr2l", "reward": "dense", "objective": "goal"},
    ):
        VMReschedulingVectorEnv(1, **options).reset(seed=0)
    for options in (
        {"generator": REPLICAS, "pool_size": 2, "pool_seed": 3, "reward": "terminal"},
        {"instance": CROWDED, **dict(zip(SIZES, (3, 7, 4, 7, 2, 4), strict=True))},
    ):
        PodPackingVectorEnv(1, **options).reset(seed=0)


def ways():
    """Every mistake in every way to make an environment, but where Gymnasium takes the argument for itself."""
    for number, (env_id, options, message) in enumerate(WRONG):
        for name, maker in makers(env_id).items():
            if name not in ("make", "sync") or not {"max_episode_steps", "render_mode"} & set(options):
                label = f"{env_id[9:12]}-{name}-{number}-{'-'.join(options)}"
                yield pytest.param(maker, options, message, id=label)


@pytest.mark.parametrize(("maker", "options", "message"), list(ways()))
def test_one_error_names_it(maker, options, message):
    with pytest.raises(InputError, match=message):
        maker(**options)


@pytest.mark.parametrize("env_id", [VM, POD])
@pytest.mark.parametrize("count", [0, -1, 1.5, "2", None])
def test_wrong_number_of_rows(env_id, count):
    with pytest.raises(InputError, match="num_envs: expected an integer of at least 1"):
        CLASSES[env_id][1](count)


def test_an_instance_larger_than_the_space_says_which_option_to_raise():
    env = VMReschedulingVectorEnv(1, instance=LONE)
    env.reset(seed=0)
    plain = [((9, 9), (9, 9))]
    for given, option in (
        (cluster(plain * 3, [(1, 1, 0, 0)], limit=3), "max_hosts=3"),
        (cluster(plain, [(1, 1, 0, 0)] * 4, limit=3), "max_vms=4"),
        (cluster(plain, [(1, 1, 0, 0)], limit=6), "max_moves=6"),
        (cluster(plain, [(1, 1, 0, 0)], groups=[(0, 0), (7, 0)], limit=3), "max_groups=2"),
        (cluster(plain * 2, [(1, 1, 0, 0), (1, 1, 1, 0)], groups=[(0, 0), (0, 1)], limit=3), "max_members=2"),
    ):
        with pytest.raises(InputError, match=f"the padded space holds .; make the environment with {option}"):
            env.reset(options={"instance": given})
        name, value = option.split("=")
        extra = {"max_members": 2} if name == "max_groups" else {}
        wide = VMReschedulingVectorEnv(1, instance=LONE, **{name: int(value), **extra})
        wide.reset(options={"instance": given})


def test_given_instances_must_be_of_the_kind_and_have_a_goal():
    env = VMReschedulingVectorEnv(1, instance=ALIKE, objective="goal")
    for given, named in ((NO_GOAL, "'goal' is missing"), (FEW, "has priorities")):
        with pytest.raises(InputError, match=named):
            env.reset(options={"instance": given})
    VMReschedulingVectorEnv(1, instance=ALIKE).reset(options={"instance": NO_GOAL})
    with pytest.raises(InputError, match="no field 'priority'"):
        PodPackingVectorEnv(1, instance=CROWDED).reset(options={"instance": LONE})


def test_free_placements_need_room_for_their_moves():
    env = PodPackingVectorEnv(1, instance=CROWDED)
    free = pods([(4, 4)], [(1, 1, 0, 0), (1, 1, -1, 0)], limit=2, count_placements=False)
    with pytest.raises(InputError, match=r"6 moves, but the padded space holds 4; .*max_moves=6"):
        env.reset(options={"instance": free})
    wide = PodPackingVectorEnv(1, instance=CROWDED, max_moves=6)
    wide.reset(options={"instance": free})
    assert not wide.step(np.array([0]))[4]["illegal_action"][0]
