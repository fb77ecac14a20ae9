"""Random games on generated programs: rewards add up, every end is a sound mapping, and the game never gets stuck."""

from dataclasses import replace

import numpy as np
import pytest

from families_memory import program
from ganttlet.core.data import data_path
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.features import CONTEXT
from ganttlet.memory_mapping.formats import read_csv
from ganttlet.memory_mapping.layout import COPY, DROP, NOCOPY
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import validate
from reference.memory_machine import Machine

BUSY = {"reuse": 0.6, "intensity": [100.0, 5000.0], "pressure": [0.3, 1.5]}
GAMES = {
    "toy": (250, {"name": "toy", **BUSY}, {}),
    "random": (250, {"name": "random", "instructions": [10, 30]}, {"placement": "best_fit"}),
    "window": (150, {"name": "random", "instructions": [10, 30], **BUSY}, {"window": 4, "placement": "reserve"}),
    "recurrent": (200, {"name": "recurrent", "steps": [3, 6], "layers": [1, 2], "pressure": [0.3, 1.5]}, {}),
    "training": (100, {"name": "training", "layers": [4, 8]}, {"reward": "terminal"}),
    "no_stall": (50, {"name": "training", "layers": [4, 8]}, {"preset": "no_stall"}),
}


def play(env, seed):
    """Play every row to its end and return its rewards' sum; from row to row more copies and kept results."""
    rng, returns = np.random.default_rng(seed), np.zeros(env.num_envs)
    bold = rng.random(env.num_envs)
    env.reset(seed=seed)
    while not env.done.all():
        legal = env.action_masks() == 1
        assert legal.any(axis=1).all()
        last = legal.shape[1] - 1 - np.argmax(legal[:, ::-1], axis=1)
        some = np.argmax(legal * rng.random(legal.shape), axis=1)
        _, reward, _, truncated, info = env.step(np.where(rng.random(env.num_envs) < bold, last, some))
        assert not (truncated | info["illegal_action"]).any()
        returns += reward
    return returns


@pytest.mark.parametrize("name", GAMES)
def test_random_games(name):
    """1,000 in all. Copies scheduled anew, the earliest deadline first, wait as long as the game says."""
    count, generator, options = GAMES[name]
    env = MemoryMappingVectorEnv(count, generator=generator, observation="slot", autoreset_mode="Disabled", **options)
    returns = play(env, seed=1)
    copies, differences = np.zeros(2, int), []
    for row in range(count):
        instance, mapping = env.instance(row), env.solution(row)
        verdict = validate(instance, mapping)
        assert verdict.violations == ()
        assert {key: env.objective_values(key)[row] for key in env.objective_names} == {
            key: verdict.values[key] for key in env.objective_names
        }
        latency = verdict.values["latency"]
        assert returns[row] == pytest.approx(1 - latency / instance.all_slow, abs=1e-9)
        again = validate(instance, schedule_copies(instance, mapping, "edf"))
        assert again.violations == ()
        differences.append(again.values["latency"] / latency - 1)
        copies += np.bincount(mapping.copy_out, minlength=2)
        if name == "toy" or row < 20:
            assert Machine(instance, mapping).run() == pytest.approx(latency, rel=1e-9)
    assert max(differences) <= 1e-9
    assert min(differences) >= -1e-9
    assert copies[0] > count
    # The cells' results are read while slow memory has no time to spare.
    assert copies[1] > 0 or name == "recurrent"


# Slow memory is idle for 4, 1 (5 less the writing of a) and 4 s before w is read.
REGRET = program(
    {"w": ("param", 6), "a": ("temp", 4)},
    [(4, "", ""), (5, "", "a"), (4, "", ""), (0, "w", ""), (0, "a", "")],
)


def test_copies_begin_where_they_get_something():
    """So no copy could use what another gives up. If a's copy began earlier, w's could leave i2 to it."""
    env = MemoryMappingVectorEnv(1, instance=REGRET, autoreset_mode="Disabled")
    env.reset(seed=0)
    for action in (DROP, COPY, COPY):
        env.step(np.array([action]))
    mapping = env.solution(0)
    # w takes 4, 1 and 1 s. i3 reads it from fast memory in 1.5 s; of the 4 s that a needs 2.5 are missing.
    moves = list(zip(mapping.move_copy, mapping.move_time, mapping.move_us / 1e6, strict=True))
    assert moves == [(0, 2, 4.0), (0, 1, 1.0), (0, 0, 1.0), (1, 3, 1.5), (1, 4, 2.5)]
    assert mapping.copy_release.tolist() == [0, 3]
    assert schedule_copies(REGRET, mapping, "edf").stall.sum() == mapping.stall.sum() == 2.5e6
    earlier = replace(mapping, copy_release=[0, 2], rect_start=[0, 2])
    again = schedule_copies(REGRET, earlier, "edf")
    assert again.stall.sum() == 0.0
    assert validate(REGRET, again).values["latency"] == validate(REGRET, mapping).values["latency"] - 2.5e6


def test_all_drop_changes_nothing():
    """With Drop wherever it is legal everything stays in slow memory, and Drop is legal everywhere."""
    env = MemoryMappingVectorEnv(30, generator={"name": "random", "instructions": [5, 15]}, autoreset_mode="Disabled")
    env.reset(seed=3)
    while not env.done.all():
        assert env.action_masks()[:, DROP].all()
        assert not env.step(np.full(30, DROP))[1].any()
    assert env.objective_values("speedup").tolist() == [1.0] * 30


# Speedups over everything slow, with 128 MiB of fast memory and with 32 (spec of the family, 1.5, made by a prototype).
GREEDY = {
    "alexnet_b32": (1.628, 1.121),
    "resnet50_b16": (1.879, 1.338),
    "bert_base_b4_t128": (1.476, None),
    "lstm2_t24_b32": (1.459, None),
    "alexnet_b32_train": (1.354, None),
}


@pytest.mark.parametrize("name", GREEDY)
def test_greedy_is_what_the_prototype_found(name):
    """NoCopy if legal, else Copy if it gains no less than it costs, else Drop."""
    path = data_path("memory_mapping", "programs", f"{name}.instructions.csv")
    if not path.exists():
        pytest.skip(f"{path.name} is not under GANTTLET_DATA")
    gain, stall = (next(at for at, one in enumerate(CONTEXT) if one.name == key) for key in ("gain", "stall"))
    for hardware, expected in zip(("tpu_v4i_like", "tight"), GREEDY[name], strict=True):
        env = MemoryMappingVectorEnv(1, instance=read_csv(path).on(hardware), observation="slot")
        observation, _ = env.reset(seed=0)
        while not env.done[0]:
            context, mask = observation["context"][0], observation["action_mask"][0]
            copy = COPY if mask[COPY] and context[gain] >= context[stall] else DROP
            observation = env.step(np.array([NOCOPY if mask[NOCOPY] else copy]))[0]
        speedup = env.objective_values("speedup")[0]
        assert expected is None or speedup == pytest.approx(expected, abs=0.0006)
