"""``skip_forced`` against the plain environment in which the forced decisions are played one by one."""

import numpy as np
import pytest

from families import DRAW
from ganttlet.core.errors import InputError
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.timing import TIMINGS

ROWS = 16


def play_forced(plain, info, returns):
    """Play on where one action is legal, and count; the other rows get an illegal action, which changes nothing."""
    count = 0
    while True:
        mask = info["action_mask"]
        forced = (mask.sum(axis=1) == 1) & ~plain.done
        if not forced.any():
            return count
        _, reward, _, _, info = plain.step(np.where(forced, mask.argmax(axis=1), -1))
        returns += np.where(forced, reward, 0.0)
        count += int(forced.sum())


@pytest.mark.parametrize("reward", ["bound", "load_bound", "idle", "terminal"])
@pytest.mark.parametrize("timing", TIMINGS)
def test_equals_the_plain_environment(timing, reward):
    options = {"generator": DRAW, "timing": timing, "reward": reward, "autoreset_mode": "disabled"}
    plain = JobShopVectorEnv(ROWS, observation="machines", max_episode_steps=10_000, **options)
    short = JobShopVectorEnv(ROWS, observation="machines", skip_forced=True, **options)
    _, info = plain.reset(seed=4)
    observation, chosen = short.reset(seed=4)
    returns, rewards, rng, forced = np.zeros(ROWS), np.zeros(ROWS), np.random.default_rng(1), 0
    while not short.done.all():
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in chosen["action_mask"]])
        live = ~plain.done
        observation, reward_now, _, _, chosen = short.step(actions)
        rewards += reward_now
        _, reward_then, _, _, info = plain.step(actions)
        returns += np.where(live, reward_then, 0.0)
        forced += play_forced(plain, info, returns)
        for key, part in plain.live_observation.items():
            np.testing.assert_array_equal(observation[key], part, err_msg=key)
        assert not ((chosen["action_mask"].sum(axis=1) == 1) & ~short.done).any()
    np.testing.assert_allclose(rewards, returns, atol=1e-9)
    np.testing.assert_array_equal(short.objective_values("makespan"), plain.objective_values("makespan"))
    np.testing.assert_array_equal(short._state.start, plain._state.start)
    assert forced > 0


def test_takes_true_or_false():
    with pytest.raises(InputError, match="skip_forced: expected True or False, got 'yes'"):
        JobShopVectorEnv(1, skip_forced="yes")
