"""Decoders: greedy against the rules, samples against their own distribution, the beam against plain enumeration."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet_agents.rules import run_rule
from ganttlet_agents.search import batch as shared
from ganttlet_agents.search import beam, decode_many, greedy, make_batch, sample

ENV = "ganttlet/JobShop-v0"
FORBIDDEN = np.float32(-1e8)


def shop(name, jobs, machines, **facts):
    width = max(map(len, jobs))
    machine = [[k for k, _ in job] + [-1] * (width - len(job)) for job in jobs]
    duration = [[p for _, p in job] + [0] * (width - len(job)) for job in jobs]
    return JobShopInstance(name, machine, duration, machines, **facts)


SMALL = shop("small", [[(0, 3), (1, 2)], [(1, 4), (0, 1)], [(0, 2)]], 2)
QUEUE = shop("queue", [[(0, 1)], [(0, 3)]], 1)
DUE = shop("due", [[(0, 4), (1, 3)], [(1, 2), (0, 5)], [(0, 3), (1, 6)], [(1, 1), (0, 2)]], 2, due=[7, 30, 9, 4])


def drawn(jobs, machines, seed):
    rng = np.random.default_rng(seed)
    machine = [rng.permutation(machines) for _ in range(jobs)]
    return JobShopInstance(f"drawn-{seed}", machine, rng.integers(1, 20, (jobs, machines)), machines)


def masked(logits, obs):
    return np.where(obs["action_mask"] != 0, logits, FORBIDDEN).astype(np.float32)


def spt(obs):
    """The rule SPT; a wait is the last resort."""
    logits = np.full(obs["action_mask"].shape, -1e4)
    logits[:, : obs["job"].shape[1]] = -obs["job"][:, :, DURATION]
    return masked(logits, obs)


def linear(scale=1.0, seed=5):
    """Return a scorer with fixed random weights, without ties."""

    def score(obs):
        rng = np.random.default_rng(seed)
        weights, context = rng.normal(size=obs["job"].shape[2]), rng.normal(size=obs["context"].shape[1])
        logits = obs["job"] @ weights + 0.01 * np.arange(obs["job"].shape[1])
        if obs["action_mask"].shape[1] > logits.shape[1]:
            logits = np.concatenate([logits, (obs["context"] @ context)[:, None]], axis=1)
        return masked(scale * logits, obs)

    return score


DURATION = [feature.name for feature in JobShopVectorEnv(1).graph.node("job").features].index("duration")


# Greedy.


@pytest.mark.parametrize("timing", ["nondelay", "active", "append", "insert", "wait"])
@pytest.mark.parametrize("instance", [SMALL, DUE, drawn(6, 4, 0), drawn(9, 3, 1)], ids=lambda one: one.name)
def test_greedy_by_a_rules_scores_is_the_rule(instance, timing):
    found = greedy(make_batch(ENV, 1, [instance], timing=timing), spt, instance)
    expected = run_rule("spt", instance, timing=timing)
    assert np.array_equal(found.solution.start, expected.start)
    assert found.value == validate(instance, expected).values["makespan"]
    assert found.values.tolist() == [found.value]
    assert found.decisions == int((instance.machine >= 0).sum())


def test_greedy_takes_the_lowest_of_equals():
    found = greedy(make_batch(ENV, 1, [SMALL], timing="append"), lambda obs: masked(0.0, obs), SMALL)
    assert found.solution.start.tolist() == [[0, 3], [5, 9], [10, -1]]


def test_many_instances_are_played_as_one_by_one():
    instances = [drawn(3, 3, 2), drawn(7, 2, 3), SMALL, drawn(5, 5, 4), drawn(2, 6, 5)]
    single = [greedy(make_batch(ENV, 1, instances), linear(), one) for one in instances]
    for rows in (1, 2, 5, 8):
        found = decode_many(make_batch(ENV, rows, instances), linear(), instances)
        assert [one.value for one in found] == [one.value for one in single]
        assert [one.decisions for one in found] == [one.decisions for one in single]
        assert [one.solution.digest for one in found] == [one.solution.digest for one in single]
    assert len({one.decisions for one in single}) > 2


# Samples.


def test_first_sample_is_greedy_and_the_best_is_returned():
    instance = drawn(8, 5, 6)
    env = make_batch(ENV, 24, [instance])
    first = greedy(make_batch(ENV, 1, [instance]), spt, instance)
    found = sample(env, spt, instance, samples=24, temperature=0.5, seed=1)
    assert found.values[0] == first.value
    assert found.value == found.values.min() < first.value
    assert validate(instance, found.solution).values["makespan"] == found.value
    assert found.decisions == 24 * first.decisions


def test_one_sample_is_greedy():
    instance = drawn(8, 5, 6)
    found = sample(make_batch(ENV, 1, [instance]), spt, instance, samples=1, seed=9)
    assert found.solution.digest == greedy(make_batch(ENV, 1, [instance]), spt, instance).solution.digest


@pytest.mark.parametrize("timing", ["nondelay", "wait"])
def test_samples_do_not_depend_on_the_batch(timing):
    instance = drawn(6, 4, 7)
    results = [
        sample(make_batch(ENV, rows, [instance], timing=timing), linear(0.3), instance, samples=9, seed=3)
        for rows in (9, 1, 4, 13)
    ]
    assert len(set(results[0].values)) > 3
    for other in results[1:]:
        assert other.values.tolist() == results[0].values.tolist()
        assert other.solution.digest == results[0].solution.digest
        assert (other.value, other.decisions) == (results[0].value, results[0].decisions)


def test_more_samples_keep_the_first_ones():
    instance = drawn(6, 4, 7)
    few, many = (sample(make_batch(ENV, 4, [instance]), spt, instance, samples=k, seed=3) for k in (5, 12))
    assert many.values[:5].tolist() == few.values.tolist()


def test_samples_repeat_under_their_seed_alone():
    instance = drawn(8, 5, 8)
    env = make_batch(ENV, 16, [instance])
    values = [sample(env, spt, instance, samples=16, seed=seed).values.tolist() for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert values[0][0] == values[2][0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_samples_follow_the_softmax(temperature):
    """Of two jobs on one machine the second, preferred by 1 in logits, goes first in this share of the samples."""
    env = make_batch(ENV, 500, [QUEUE], objective="flow_time")
    score = lambda obs: masked(np.array([0.0, 1.0]), obs)  # noqa: E731
    found = sample(env, score, QUEUE, samples=2000, temperature=temperature, seed=0, objective="flow_time")
    assert set(found.values) == {5.0, 7.0}
    share = float((found.values[1:] == 7.0).mean())
    assert share == pytest.approx(1 / (1 + math.exp(-1 / temperature)), abs=0.03)


def test_a_low_temperature_is_greedy():
    instance = drawn(8, 5, 6)
    found = sample(make_batch(ENV, 8, [instance]), linear(), instance, samples=8, temperature=1e-9)
    assert len(set(found.values)) == 1


def test_illegal_actions_stay_out_at_any_temperature():
    instance = drawn(6, 4, 7)
    env = make_batch(ENV, 8, [instance], strict=True)
    found = sample(env, spt, instance, samples=8, temperature=1e12)
    assert validate(instance, found.solution).feasible
    assert greedy(env, lambda obs: np.arange(6.0) + 0 * obs["action_mask"], instance).decisions == 24


# Rows whose episodes end at different steps.


@pytest.mark.parametrize("decoder", ["sample", "beam"])
def test_only_rows_that_still_play_are_scored(decoder):
    instance = drawn(4, 3, 8)
    env = make_batch(ENV, 12, [instance], timing="wait", strict=True)
    scored = []

    def score(obs):
        assert obs["job_mask"].any(axis=1).all()
        assert {len(part) for part in obs.values()} == {len(obs["job"])}
        scored.append(len(obs["job"]))
        return linear(0.2)(obs)

    found = sample(env, score, instance, samples=12) if decoder == "sample" else beam(env, score, instance)
    assert found.decisions == sum(scored)
    assert 0 < scored[-1] < 12
    assert np.isfinite(found.values).all()
    assert validate(instance, found.solution).values["makespan"] == found.value == found.values.min()


def test_unfinished_rows_have_no_value():
    env = make_batch(ENV, 3, [SMALL], max_episode_steps=2)
    for found in (
        greedy(env, spt, SMALL),
        sample(env, spt, SMALL, samples=3),
        beam(env, spt, SMALL),
    ):
        assert math.isnan(found.value)
        assert np.isnan(found.values).all()
        assert not validate(SMALL, found.solution).feasible


# Beam.


@pytest.mark.parametrize("timing", ["nondelay", "wait"])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0])
def test_width_one_is_greedy(timing, scale):
    """Even where the log-probabilities differ by less than their sum can hold."""
    instance = drawn(6, 4, 10)
    env = make_batch(ENV, 3, [instance], timing=timing)
    first, found = greedy(env, linear(scale), instance), beam(env, linear(scale), instance, width=1)
    assert found.solution.digest == first.solution.digest
    assert (found.value, found.decisions) == (first.value, first.decisions)
    assert found.values.tolist() == first.values.tolist()


class Plain:
    """Partial sequences as lists of actions, replayed from the start for every score."""

    def __init__(self, instance, score, **kwargs):
        self.env, self.instance, self.score = make_batch(ENV, 1, [instance], **kwargs), instance, score

    def look(self, prefix):
        """Return the log-probabilities of the legal next actions, or the makespan at the end."""
        obs, _ = self.env.reset(options={"instance": self.instance})
        for action in prefix:
            self.env.step(np.array([action]))
        if self.env.done[0]:
            return {}, float(self.env.objective_values("makespan")[0])
        logits, legal = self.score(obs)[0].astype(float), np.flatnonzero(obs["action_mask"][0])
        top = logits[legal].max()
        norm = top + math.log(np.exp(logits[legal] - top).sum())
        return {int(a): logits[a] - norm for a in legal}, None

    def everything(self, prefix=()):
        """Return the makespans of all complete sequences."""
        actions, value = self.look(prefix)
        return [value] if value is not None else [v for a in actions for v in self.everything((*prefix, a))]

    def beam(self, width):
        """Return the makespans of the sequences that a beam ends with."""
        live, finished = [(0.0, ())], []
        while live:
            longer = [
                (total + step, (*prefix, action))
                for total, prefix in live
                for action, step in self.look(prefix)[0].items()
            ]
            live = []
            for total, prefix in sorted(longer, reverse=True)[: width - len(finished)]:
                value = self.look(prefix)[1]
                if value is None:
                    live.append((total, prefix))
                else:
                    finished.append(value)
            # Sequences that ended in this step take their places from the next step on.
        return finished


@pytest.mark.parametrize("timing", ["append", "wait"])
def test_a_beam_that_holds_everything_finds_the_best(timing):
    plain = Plain(SMALL, linear(), timing=timing)
    values = plain.everything()
    found = beam(make_batch(ENV, len(values), [SMALL], timing=timing), linear(), SMALL)
    assert sorted(found.values) == sorted(values)
    assert found.value == min(values) < max(values)
    wider = beam(make_batch(ENV, len(values) + 7, [SMALL], timing=timing), linear(), SMALL)
    assert sorted(wider.values) == sorted(values)


@pytest.mark.parametrize("timing", ["append", "wait", "nondelay"])
@pytest.mark.parametrize("width", [2, 3, 5, 12])
@pytest.mark.parametrize("instance", [DUE, drawn(4, 3, 8)], ids=lambda one: one.name)
def test_beam_is_the_plain_one(instance, timing, width):
    plain = Plain(instance, linear(0.7), timing=timing)
    found = beam(make_batch(ENV, width + 1, [instance], timing=timing), linear(0.7), instance, width=width)
    assert sorted(found.values) == sorted(plain.beam(width))


def test_beam_repeats_and_returns_a_valid_solution():
    instance = drawn(7, 4, 11)
    env = make_batch(ENV, 8, [instance])
    first, again = beam(env, spt, instance), beam(env, spt, instance)
    assert first.values.tolist() == again.values.tolist()
    assert first.solution.digest == again.solution.digest
    assert validate(instance, first.solution).values["makespan"] == first.value == first.values.min()


# Objectives.


def test_the_best_is_chosen_by_the_objective_asked_for():
    env = make_batch(ENV, 40, [DUE], timing="append")
    for name in ("makespan", "total_tardiness", "flow_time"):
        for found in (
            sample(env, linear(0.1), DUE, samples=40, seed=2, objective=name),
            beam(env, linear(0.1), DUE, objective=name),
        ):
            assert validate(DUE, found.solution).values[name] == found.value == found.values.min() < found.values.max()


def test_a_maximised_objective_takes_the_greatest(monkeypatch):
    family = SimpleNamespace(objectives={"makespan": SimpleNamespace(sense="max")})
    monkeypatch.setattr(shared, "get_family", lambda name: family)
    env = make_batch(ENV, 20, [DUE], timing="append")
    for found in (sample(env, linear(0.1), DUE, samples=20), beam(env, linear(0.1), DUE)):
        assert found.value == found.values.max() > found.values.min()
        assert validate(DUE, found.solution).values["makespan"] == found.value


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples: expected an integer of at least 1, got 0"),
        ({"samples": 2, "temperature": 0.0}, "temperature: expected a number greater than 0"),
        ({"samples": 2, "temperature": math.nan}, "temperature: expected a number of at least 0"),
        ({"samples": 2, "seed": -1}, "seed: expected an integer"),
        ({"samples": 2, "objective": "total_tardiness"}, "objective: unknown value .* expected one of makespan"),
    ],
)
def test_wrong_arguments_of_sample(arguments, message):
    with pytest.raises(InputError, match=message):
        sample(make_batch(ENV, 2, [SMALL]), spt, SMALL, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width: expected an integer of at least 1"),
        ({"width": 3}, "width: expected at most 2, the rows of the batch, got 3"),
        ({"objective": "cost"}, "objective: unknown value 'cost'"),
    ],
)
def test_wrong_arguments_of_beam(arguments, message):
    with pytest.raises(InputError, match=message):
        beam(make_batch(ENV, 2, [SMALL]), spt, SMALL, **arguments)


def test_no_instances():
    with pytest.raises(InputError, match="instances: expected at least one"):
        decode_many(make_batch(ENV, 2, [SMALL]), spt, [])


def test_an_instance_without_room():
    with pytest.raises(InputError):
        greedy(make_batch(ENV, 1, [SMALL]), spt, drawn(9, 9, 0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"autoreset_mode": "next_step", "copy": False}, "autoreset_mode: decoding needs 'disabled', got 'next_step'"),
        ({"autoreset_mode": "disabled"}, "copy: decoding reads live buffers and needs copy=False"),
    ],
)
def test_a_batch_of_another_kind(options, message):
    env = JobShopVectorEnv(2, instance=SMALL, **options)
    for decode in (greedy, beam):
        with pytest.raises(InputError, match=message):
            decode(env, spt, SMALL)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda obs: np.zeros(3, np.float32), r"scorer: expected logits of shape \(1, 3\), got \(3,\)"),
        (lambda obs: np.full((1, 3), np.nan, np.float32), "scorer: expected finite logits for legal actions"),
        (lambda obs: np.full((1, 3), -np.inf, np.float32), "scorer: expected finite logits for legal actions"),
        (lambda obs: np.full((1, 3), np.inf, np.float32), "scorer: expected finite logits for legal actions"),
    ],
)
def test_logits_that_cannot_be_used(score, message):
    env = make_batch(ENV, 1, [SMALL])
    for decode in (greedy, beam):
        with pytest.raises(InputError, match=message):
            decode(env, score, SMALL)


def test_a_batch_that_is_not_native(monkeypatch):
    monkeypatch.setattr(shared.gym, "make_vec", lambda env_id, **kwargs: SimpleNamespace())
    with pytest.raises(InputError, match=f"{ENV}: decoding needs a native batch .*, got SimpleNamespace"):
        make_batch(ENV, 1, [SMALL])
