"""The instance pool: even choice, and slots that are never shared while in use."""

import numpy as np
import pytest

from ganttlet.core.pool import draw_keys, pick
from reference.play import FAMILIES, batch, legal_actions


@pytest.mark.parametrize("along", ["seeds", "episodes"])
def test_fixed_instances_are_chosen_evenly(along):
    count = np.arange(6000)
    seeds = count.astype(np.uint64) if along == "seeds" else np.full(6000, 7, np.uint64)
    episodes = np.zeros(6000, np.int64) if along == "seeds" else count
    out = np.empty(6000, np.int64)
    pick(seeds, episodes, 3, out)
    assert np.abs(np.bincount(out, minlength=3) - 2000).max() < 130
    again = np.empty(6000, np.int64)
    pick(seeds, episodes, 3, again)
    assert np.array_equal(out, again)
    keys = np.empty(6000, np.uint64)
    draw_keys(seeds, episodes, keys)
    assert len(set(keys.tolist())) == 6000


@pytest.mark.parametrize("case", FAMILIES)
def test_rows_in_play_never_share_a_private_slot(case):
    """Random resets, given instances, copies and snapshots: every row keeps the instance it should have."""
    rng = np.random.default_rng(0)
    env = batch(case, case.seeded[0], 4)
    env.reset(seed=0)
    shadow = [env.instance(row) for row in range(4)]
    saved, kept = env.snapshot(), list(shadow)
    for step in range(150):
        rows = rng.permutation(4)[: rng.integers(1, 5)]
        what = rng.integers(5)
        if what == 0:
            env.reset(options={"reset_mask": np.isin(np.arange(4), rows)})
            for row in rows:
                shadow[row] = env.instance(row)
        elif what == 1:
            specs = [case.instances[rng.integers(len(case.instances))] for _ in rows]
            mask = np.isin(np.arange(4), rows)
            env.reset(options={"reset_mask": mask, "instance": specs})
            for row, spec in zip(np.flatnonzero(mask), specs, strict=True):
                shadow[row] = case.resolve(spec)
        elif what == 2:
            sources = rng.integers(0, 4, len(rows))
            env.copy_rows(sources, rows)
            before = list(shadow)
            for source, row in zip(sources, rows, strict=True):
                shadow[row] = before[source]
        elif what == 3:
            order = rng.permutation(4)
            env.restore(saved, order)
            for at, row in enumerate(order):
                shadow[row] = kept[at]
        else:
            saved, kept = env.snapshot(), list(shadow)
        if step % 3 == 0 and not env.done.all():
            env.step(legal_actions(env.action_masks(), rng))
        assert [env.instance(row) for row in range(4)] == shadow
        for slot, expected in zip(env._slot, shadow, strict=True):
            found, told = case.stored(env._pool.storage, int(slot)), getattr(expected, case.telling)
            assert np.array_equal(found, told[tuple(slice(size) for size in found.shape)])
