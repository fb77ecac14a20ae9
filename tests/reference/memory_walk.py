"""Random episodes of MemoryMapping-v0 beside the slow simulator, everything compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from families_memory import MemoryOracle, memory_extras
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.instance import Program
from reference.memory_mapping import ReferenceMapping
from reference.memory_observation import Shown
from reference.play import any_actions, legal_actions, row_of

SPACE = {"max_instructions": 16, "max_buffers": 40, "max_slots": 60, "max_rects": 120}


def make(instance: Program, **options: Any) -> tuple[MemoryMappingVectorEnv, MemoryOracle]:
    """Return a batch of one and the oracle of its first episode."""
    space = {key: value for key, value in SPACE.items() if key not in options}
    env = MemoryMappingVectorEnv(1, instance=instance, autoreset_mode="Disabled", **space, **options)
    return env, MemoryOracle(options, instance, env.graph)


def compare(env: Any, observation: dict[str, np.ndarray], play: ReferenceMapping, instance: Program) -> None:
    """Every block, in its space; whole numbers exactly, the others up to float32."""
    expected = Shown(play, instance.buffer_kind.tolist(), env.graph).blocks()
    assert set(observation) == {*expected, "action_mask"}
    for key, value in expected.items():
        tolerance = 1e-5 if observation[key].dtype == np.float32 else 0.0
        np.testing.assert_allclose(observation[key][0], value, rtol=tolerance, atol=tolerance, err_msg=key)
        assert env.observation_space[key].contains(observation[key]), key


def walk(instance: Program, rng: np.random.Generator, *, wild: bool = True, **options: Any) -> list[float]:
    """Play a random episode, illegal actions included if ``wild``, comparing at every step; return the rewards."""
    env, oracle = make(instance, **options)
    observation, info = env.reset(seed=0)
    paid: list[float] = []
    while True:
        assert observation["action_mask"][0].tolist() == info["action_mask"][0].tolist() == oracle.mask()
        compare(env, observation, oracle.play, instance)
        assert row_of(info["objectives"], 0) == oracle.objectives()
        assert memory_extras(env, 0) == oracle.extras()
        assert env.solution(0) == oracle.solution()
        if env.done[0]:
            return paid
        masks = env.action_masks()
        action = int((any_actions if wild else legal_actions)(masks, rng)[0])
        # Copies and kept results before reads from slow memory: they make the richer games.
        if rng.random() < 0.4:
            action = int(np.flatnonzero(masks[0])[-1])
        observation, reward, terminated, truncated, info = env.step(np.array([action]))
        expected = oracle.step(action)
        assert (reward[0], bool(terminated[0]), bool(info["illegal_action"][0])) == pytest.approx(expected, abs=1e-9)
        if truncated[0] and not oracle.play.done:
            return paid
        paid.append(float(reward[0]))
