"""The kernel against the slow simulator: masks, rewards, state, logs and what is shown, at every step."""

import numpy as np
import pytest

from families_uam import ALONE, BUSY, LAZY, POOL, day
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.generator import make_generator
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.kernel import REWARDS
from ganttlet.uam_fleet.solution import validate
from reference.uam_walk import walk


@pytest.mark.parametrize("block", range(5))
def test_random_days(block):
    """Illegal actions among the others."""
    for seed in range(20 * block, 20 * block + 20):
        rng = np.random.default_rng(seed)
        ports, aircraft, hours = rng.integers([2, 1, 1], [6, 7, 5]).tolist()
        walk(
            day(seed, ports, aircraft, hours),
            rng,
            reward=REWARDS[seed % 2],
            observation=("full", "full", "candidates")[seed % 3],
            lookahead=1 + seed % 5,
            worth=seed % 4 > 0,
            illegal_penalty=float(seed % 4),
        )


@pytest.mark.parametrize("given", [BUSY, LAZY, POOL, ALONE])
@pytest.mark.parametrize("eager", [0.0, 0.9])
def test_days_by_hand(given, eager):
    """Both rewards are worth the same in the end."""
    instance = Scenario.from_dict(given)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        paid, final = walk(instance, rng, wild=False, eager=eager, reward="incremental")
        assert sum(paid) == pytest.approx(final["profit"] / instance.scale, abs=1e-12)
        rng = np.random.default_rng(seed)
        late, again = walk(instance, rng, wild=False, eager=eager, reward="terminal")
        assert again == final
        assert late == [0.0] * (len(paid) - 1) + [final["profit"] / instance.scale]


NAMED = (
    {"name": "captain-2024", "geography": "nyc"},
    {"name": "captain-2024", "recharge": "partial", "charge_curve": "cc_cv", "max_wait": 30.0, "downtime": 0.2},
    {"name": "predecessor-2022"},
)


@pytest.mark.parametrize("settings", NAMED)
def test_generated_days(settings):
    """A whole day of the presets' sizes, cut to two hours to be quick."""
    instance = make_generator({**settings, "day_end": 480.0}).sample(1)
    space = {"max_ports": 8, "max_aircraft": 40, "max_hours": 12}
    walk(instance, np.random.default_rng(0), wild=False, **space)


def test_whole_days_are_what_the_validator_finds():
    """Bit for bit, of both presets and random play."""
    for name in ("captain-2024", "predecessor-2022"):
        env = UAMFleetVectorEnv(4, generator={"name": name}, observation="candidates", autoreset_mode="Disabled")
        env.reset(seed=2)
        rng = np.random.default_rng(0)
        while not env.done.all():
            env.step_in_place(np.array([rng.choice(np.flatnonzero(mask)) for mask in env.live_mask]))
        for row in range(4):
            verdict = validate(env.instance(row), env.solution(row))
            assert verdict.violations == ()
            assert verdict.values == {key: env.objective_values(key)[row] for key in env.objective_names}
            assert verdict.values["flights"] > 100
