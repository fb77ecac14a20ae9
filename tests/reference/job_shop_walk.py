"""Random episodes of JobShop-v0 beside the slow simulator, every observation and reward compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from families import JobShopOracle, job_shop_options
from ganttlet.job_shop import JobShopInstance
from ganttlet.job_shop.env import JobShopVectorEnv
from reference.job_shop import ReferenceJobShop
from reference.job_shop_observation import graph_blocks, job_blocks, machines_blocks
from reference.play import legal_action

SIZES = (6, 5, 7)
SPACE = dict(zip(("max_jobs", "max_machines", "max_ops"), SIZES, strict=True))


def blocks(kind: str, play: ReferenceJobShop, first: int, window: int, due: bool) -> dict[str, np.ndarray]:
    """Every block of an observation kind but the action mask; ``first`` is the episode's first makespan bound."""
    if kind == "machines":
        return machines_blocks(play, SIZES, window, due)
    return job_blocks(play, SIZES, window, due) | (graph_blocks(play, SIZES, first) if kind == "graph" else {})


def compare(env: Any, observation: dict[str, np.ndarray], expected: dict[str, np.ndarray], row: int = 0) -> None:
    """Every block of a row, in its space and equal to the plain computation up to float32."""
    assert set(observation) == {*expected, "action_mask"}
    for key, value in expected.items():
        np.testing.assert_allclose(observation[key][row], value, rtol=1e-6, atol=1e-6, err_msg=key)
        assert env.observation_space[key].contains(observation[key]), key


def walk(instance: JobShopInstance, rng: np.random.Generator, **options: Any) -> None:
    """Play a random episode of ``options``, comparing at every step."""
    env = JobShopVectorEnv(1, instance=instance, **options, **SPACE)
    observation, info = env.reset(seed=0)
    chosen = job_shop_options(options)
    oracle = JobShopOracle(chosen, instance, env.single_action_space.n)
    shown = chosen["observation"], oracle.play, oracle.play.objectives()["makespan"]
    ahead = chosen["window"], "tardiness" in chosen["objective"]
    compare(env, observation, blocks(*shown, *ahead))
    while not oracle.play.done:
        action = legal_action(info["action_mask"][0], rng)
        observation, reward, _, _, info = env.step(np.array([action]))
        assert reward[0] == oracle.step(action)[0]
        compare(env, observation, blocks(*shown, *ahead))


def extreme_shops() -> list[JobShopInstance]:
    """Zero and huge durations, far releases and due dates."""
    top = 2**31 - 1
    facts: list[dict[str, Any]] = [
        dict(duration=[[0, 0], [0, 0]], release=[0, 0], due=[0, 0]),
        dict(duration=[[0, 0], [0, top - 5]], release=[5, 0], due=[-(2**31), top]),
        dict(duration=[[1, 0], [0, 0]], release=[0, top - 1], due=[top, -(2**31)], weight=[0, 0]),
        dict(duration=[[top // 2, top // 2], [0, 1]], release=[0, 0], due=[0, 0], weight=[2**20, 1]),
    ]
    return [JobShopInstance("extreme", [[0, 1], [1, 0]], n_machines=2, **one) for one in facts]


def skewed_shop() -> JobShopInstance:
    """One long operation among many of no duration: the mean duration is tiny beside the longest."""
    machine = np.arange(7)[None, :] % 5
    duration = np.zeros((6, 7), int)
    duration[0, 0] = 1
    duration[1, 0] = 10**6
    return JobShopInstance("skewed", np.repeat(machine, 6, axis=0), duration, 5)
