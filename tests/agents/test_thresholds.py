"""Thresholds of sampled decoding: quantiles against a plain twin, phases in VM rescheduling, nothing else changed."""

import math

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import generate
from ganttlet_agents.search import greedy, make_batch, read_threshold, sample
from ganttlet_agents.search.threshold import keep_probable, quantiles_of

SHOP = generate({"name": "uniform", "jobs": 6, "machines": 4}, 3)


def plain_keep(logits, quantile, temperature):
    """Return which actions of one row stay: softmax, sort, interpolate."""
    legal = [action for action, logit in enumerate(logits) if logit > -math.inf]
    weights = [math.exp(logits[action] / temperature) for action in legal]
    chances = [weight / sum(weights) for weight in weights]
    place = quantile * (len(legal) - 1)
    ordered = [*sorted(chances), 0.0]
    low = math.floor(place)
    limit = ordered[low] + (place - low) * (ordered[low + 1] - ordered[low]) if low < len(legal) - 1 else max(chances)
    return [action for action, chance in zip(legal, chances, strict=True) if chance >= limit]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_what_is_kept(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, 30)).astype(np.float32)
    logits[rng.random((40, 30)) < 0.4] = -np.inf
    logits[:, 7] = 0.3
    logits[5, :] = -np.inf
    logits[5, 7] = 0.0
    # No place falls on an action, where rounding would decide.
    quantiles = rng.choice([0.0, 0.313, 0.777, 0.9137, 1.0], 40)
    before = logits.copy()
    kept = keep_probable(logits, quantiles, temperature)
    assert np.array_equal(logits, before)
    for row in range(40):
        stay = plain_keep(logits[row].astype(np.float64), quantiles[row], temperature)
        assert np.flatnonzero(np.isfinite(kept[row])).tolist() == stay
        assert np.array_equal(kept[row, stay], logits[row, stay])
        assert np.argmax(logits[row]) in stay
        assert quantiles[row] < 1.0 or len(stay) == 1


def test_equal_actions_and_far_ones():
    """Whatever is as probable as the most probable stays; probabilities that vanish are no error."""
    logits = np.array([[1.0, 1.0, 0.0, 1.0], [0.0, -1e4, -2e4, -3e4]], np.float32)
    kept = keep_probable(logits, np.array([0.9, 0.9]), 0.01)
    assert np.isfinite(kept).tolist() == [[True, True, False, True], [True, False, False, False]]


@pytest.mark.parametrize(
    ("text", "threshold"),
    [("0.99", 0.99), ("0", 0.0), ("1", 1.0), ("vm/0.995+pm/0.98", {"vm": 0.995, "pm": 0.98}), ("pm/.5", {"pm": 0.5})],
)
def test_texts(text, threshold):
    assert read_threshold(text) == threshold


@pytest.mark.parametrize("text", ["", "high", "nan", "-0.1", "1.01", "vm/", "vm/2", "vm/0.9+", "vm/0.9+0.9", "vm/a/b"])
def test_texts_that_cannot_be_read(text):
    with pytest.raises(
        InputError, match=r"threshold .*: expected a number in 0 … 1, or one for each phase, as vm/0.995"
    ):
        read_threshold(text)


def test_a_phase_given_twice():
    with pytest.raises(InputError, match="phase 'vm' is given twice"):
        read_threshold("vm/0.9+vm/0.8")


def test_quantiles_by_phase():
    assert quantiles_of(0.9, ()).tolist() == [0.9]
    assert quantiles_of(0.9, ("vm", "pm")).tolist() == [0.9, 0.9]
    assert quantiles_of({"pm": 0.98}, ("vm", "pm")).tolist() == [0.0, 0.98]
    with pytest.raises(InputError, match="threshold: phase: unknown key 'host'; expected one of vm, pm"):
        quantiles_of({"host": 0.9}, ("vm", "pm"))
    with pytest.raises(InputError, match="threshold: this environment has no phases"):
        quantiles_of({"vm": 0.9}, ())
    with pytest.raises(InputError, match="threshold: pm: expected a number in 0 … 1, got 2"):
        quantiles_of({"pm": 2}, ("vm", "pm"))
    with pytest.raises(InputError, match=r"threshold: expected a number in 0 … 1, got 1\.5"):
        quantiles_of(1.5, ())


def shop_logits(obs):
    """Logits without ties that differ little."""
    rng = np.random.default_rng(5)
    logits = obs["job"] @ rng.normal(size=obs["job"].shape[2]) * 0.1 + 0.01 * np.arange(obs["job"].shape[1])
    return np.where(obs["action_mask"] != 0, logits, -1e8).astype(np.float32)


def test_without_a_threshold_samples_are_what_they_were():
    env = make_batch("ganttlet/JobShop-v0", 4, [SHOP])
    plain, zero, high = (sample(env, shop_logits, SHOP, samples=10, seed=2, threshold=one) for one in (None, 0.0, 0.5))
    assert np.array_equal(plain.values, zero.values)
    assert plain.solution.digest == zero.solution.digest
    assert not np.array_equal(plain.values, high.values)


def test_samples_do_not_depend_on_the_rows_and_the_first_is_greedy():
    found = [
        sample(make_batch("ganttlet/JobShop-v0", rows, [SHOP]), shop_logits, SHOP, samples=9, threshold=0.6).values
        for rows in (2, 9)
    ]
    assert np.array_equal(*found)
    env = make_batch("ganttlet/JobShop-v0", 9, [SHOP])
    assert found[0][0] == greedy(env, shop_logits, SHOP).value
    assert len(set(found[0])) > 1
    assert set(sample(env, shop_logits, SHOP, samples=9, threshold=1.0).values) == {found[0][0]}


@pytest.mark.parametrize("phase", ["vm", "pm"])
def test_a_phase_has_its_own(phase):
    """Only what is due in ``phase`` follows the greatest logit; the rest is drawn."""
    env = gym.make_vec("ganttlet/VMRescheduling-v0", 8, autoreset_mode="disabled", copy=False)
    env.reset(seed=0)
    instance = env.instance(0)
    vms, steps = env.graph.node("vm").count, []
    liking = (0.001 * np.random.default_rng(1).normal(size=env.graph.n_actions)).astype(np.float32)
    liking[-1] = -100.0

    def score(obs):
        steps.append({key: part.copy() for key, part in obs.items()})
        return np.tile(liking, (len(obs["phase"]), 1))

    sample(env, score, instance, samples=8, threshold={phase: 1.0})
    first = [np.where(part["action_mask"] != 0, liking, -np.inf).argmax(axis=1) for part in steps]
    asked = range(0, len(steps), 2)
    assert len(steps) == 2 * instance.limit
    assert all((steps[at]["phase"] == 0).all() and (steps[at + 1]["phase"] == 1).all() for at in asked)
    chosen = [steps[at + 1]["focus_vm"][:, 0] for at in asked]
    if phase == "vm":
        assert all(np.array_equal(one, first[at]) for one, at in zip(chosen, asked, strict=True))
    else:
        assert any(len(set(one)) > 2 for one in chosen)
    hosts = [steps[at + 2]["on_index"][np.arange(8), chosen[at // 2]] for at in asked[:-1]]
    likely = [(first[at + 1] - vms) // 2 for at in asked[:-1]]
    assert np.array_equal(hosts, likely) == (phase == "pm")
