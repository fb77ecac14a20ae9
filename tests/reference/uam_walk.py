"""Random days of UAMFleet-v0 beside the slow simulator, everything compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from families_uam import FleetOracle, fleet_extras
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.instance import Scenario
from reference.play import any_actions, legal_actions, row_of
from reference.uam_observation import Shown

SPACE = {"max_ports": 9, "max_aircraft": 12, "max_hours": 4, "max_corridors": 4}


def walk(instance: Scenario, rng: np.random.Generator, *, wild: bool = True, eager: float = 0.6, **options: Any) -> Any:
    """Play a random day, illegal actions included if ``wild``, comparing at every step.

    Args:
        eager: how often it takes a legal flight in place of any action.

    Returns:
        rewards and the final objectives.
    """
    env = UAMFleetVectorEnv(1, instance=instance, autoreset_mode="Disabled", **{**SPACE, **options})
    oracle = FleetOracle(options, instance, env.graph)
    observation, info = env.reset(seed=0)
    paid: list[float] = []
    while True:
        assert observation["action_mask"][0].tolist() == info["action_mask"][0].tolist() == oracle.mask()
        expected = Shown(oracle.play, env.graph, options.get("lookahead", 3)).blocks()
        assert set(observation) == {*expected, "action_mask"}
        for key, value in expected.items():
            tolerance = 1e-5 if observation[key].dtype == np.float32 else 0.0
            np.testing.assert_allclose(observation[key][0], value, rtol=tolerance, atol=tolerance, err_msg=key)
            assert env.observation_space[key].contains(observation[key]), key
        assert row_of(info["objectives"], 0) == oracle.objectives()
        assert fleet_extras(env, 0) == oracle.extras()
        assert env.solution(0) == oracle.solution()
        if oracle.play.over:
            return paid, oracle.objectives()
        masks = env.action_masks()
        action = int((any_actions if wild else legal_actions)(masks, rng)[0])
        flights = np.flatnonzero(masks[0])
        flights = flights[flights != oracle.play.port[oracle.play.deciding]]
        if len(flights) and rng.random() < eager:
            action = int(rng.choice(flights))
        observation, reward, terminated, _truncated, info = env.step(np.array([action]))
        wanted = oracle.step(action)
        assert (reward[0], bool(terminated[0]), bool(info["illegal_action"][0])) == wanted
        paid.append(float(reward[0]))
