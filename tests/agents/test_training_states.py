"""Saved states of every family's batch: plain arrays, from which the rows go on identically."""

import numpy as np
import pytest

pytest.importorskip("torch")

from ganttlet_agents.training.ppo import pack, unpack
from reference.play import SEEDED, any_actions, assert_same, batch


@pytest.mark.parametrize(("case", "name"), SEEDED)
def test_a_packed_batch_goes_on_identically(case, name, tmp_path):
    rng = np.random.default_rng(3)
    env, other = batch(case, name, 2, "SameStep"), batch(case, name, 2, "SameStep")
    env.reset(seed=5)
    other.reset(seed=6)
    for _ in range(4):
        env.step(any_actions(env.action_masks(), rng))
    np.savez(tmp_path / "state.npz", **pack(env.snapshot()))
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        other.restore(unpack(dict(saved), other))
    for _ in range(12):
        actions = any_actions(env.action_masks(), rng)
        assert_same(env.step(actions), other.step(actions))
