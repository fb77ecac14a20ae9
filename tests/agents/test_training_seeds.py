"""Training, validation and benchmarks share no seed and no instance."""

import itertools

import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import env as job_shop_env
from ganttlet_agents.config import config_names, config_root, load_config
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.seeds import MOST, SCALE_INDEX, STRIDE, VALIDATION, training_seed, validation_seed
from ganttlet_agents.training.task import EPISODES, Task

KINDS = sorted(entry.name for entry in config_root().joinpath("train").iterdir() if entry.is_dir())
PRESETS = [(kind, name) for kind in KINDS for name in config_names(f"train/{kind}")]
ABSENT = "set GANTTLET_DATA to the folder"
RUNS, ROUNDS, COUNT, ROWS = (0, 1, MOST - 1), (0, 1, 2), 32, 128


def task_of(kind, name, **changes):
    preset = load_config(f"train/{kind}", name)
    return Task(build(TrainConfig, {**preset.data, **changes}, preset.source))


def suite_entries(family):
    """Return (suite, instance) for every suite of the family whose files are here."""
    found = []
    for name in config_names("suites"):
        suite = load_suite(name)
        if suite.family != family:
            continue
        try:
            found += [(name, entry.instance) for entry in load_instances(suite)]
        except InputError as error:
            if ABSENT not in str(error):
                raise
    return found


def test_seed_ranges_are_apart():
    ranges = [range(training_seed(run), training_seed(run) + STRIDE) for run in range(MOST)]
    assert all(first.stop <= second.start for first, second in itertools.pairwise(ranges))
    assert ranges[-1].stop < VALIDATION
    # Suites take seeds below every run's; validation instances and the episodes that set the scale do not meet.
    assert ranges[0].start >= STRIDE
    assert validation_seed(0) == VALIDATION
    assert validation_seed(SCALE_INDEX) > validation_seed(10_000)
    for wrong in (-1, MOST):
        with pytest.raises(InputError, match=f"seed: expected 0 … {MOST - 1}, got {wrong}"):
            training_seed(wrong)


def test_suites_draw_from_small_seeds():
    entries = [
        entry for name in config_names("suites") for group in load_suite(name).groups.values() for entry in group
    ]
    seeds = [entry["seed"] for entry in entries if not isinstance(entry, str)]
    assert seeds
    assert 0 <= min(seeds) <= max(seeds) < STRIDE


@pytest.mark.parametrize(("kind", "name"), PRESETS)
def test_instances_are_apart(kind, name):
    try:
        task = task_of(kind, name)
    except InputError as error:
        if ABSENT not in str(error):
            raise
        pytest.skip(f"{kind}, {name}: its instances are not under GANTTLET_DATA: {error}")
    validation = [one.digest for group in task.validation_groups().values() for one in group]
    assert len(set(validation)) == len(validation)
    benchmark = {instance.digest: suite for suite, instance in suite_entries(kind)}
    training = set()
    for run in RUNS:
        mine = task_of(kind, name, seed=run)
        for round_number in ROUNDS:
            training |= {one.digest for one in mine.training_instances(round_number, COUNT)}
        env = mine.make(ROWS, "same_step")
        env.reset(seed=mine.seed_of(0))
        training |= {env.instance(row).digest for row in range(ROWS)}
        env.reset()
        training |= {env.instance(row).digest for row in range(ROWS)}
    # Nothing repeats: neither between runs, nor between rows and rounds of one.
    assert len(training) == len(RUNS) * (len(ROUNDS) * COUNT + 2 * ROWS)
    scale = task.make(EPISODES, "disabled")
    scale.reset(seed=validation_seed(SCALE_INDEX))
    training |= {scale.instance(row).digest for row in range(EPISODES)}
    assert training & set(validation) == set()
    assert {benchmark[one] for one in training & set(benchmark)} == set()
    assert {benchmark[one] for one in set(validation) & set(benchmark)} == set()


def test_the_suites_of_taillard_are_among_those_compared():
    entries = suite_entries("job_shop")
    assert {"small", "taillard", "taillard_quick", "taillard_tardiness"} <= {suite for suite, _ in entries}
    assert len({instance.digest for _, instance in entries}) >= 160


def test_the_comparison_would_see_a_shared_instance():
    """A digest is the same whether an instance comes as a record or out of a batch's padded arrays."""
    task = task_of("job_shop", "quick")
    groups = task.validation_groups()
    shared = [groups["15x15"][0], groups["20x15"][0]]
    batch = task.make(1, "disabled", shared)
    assert [batch._pool.storage.get(slot).digest for slot in range(2)] == [one.digest for one in shared]


def test_training_instances_follow_from_seed_round_and_row_alone():
    task = task_of("job_shop", "quick")
    first = [one.digest for one in task.training_instances(1, 8)]
    assert [one.digest for one in task.training_instances(0, 16)][8:] == first
    assert [one.digest for one in task.training_instances(1, 8)] == first
    other = [one.digest for one in task_of("job_shop", "quick", seed=1).training_instances(1, 8)]
    assert not set(other) & set(first)


# What a checkpoint keeps of the environment, and what the environment says of itself.


def test_a_checkpoint_keeps_what_play_needs_and_training_the_rest():
    kept = {"timing": "active", "observation": "machines", "gamma": 0.9, "skip_forced": True}
    own = {"max_jobs": 30, "max_machines": 12, "max_episode_steps": 900, "illegal_penalty": 3.0, "strict": True}
    drawn = {"generator": {"name": "uniform", "jobs": 4, "machines": 3}}
    task = Task(build(TrainConfig, {"env": "ganttlet/JobShop-v0", "env_kwargs": {**kept, **own, **drawn}}, "here"))
    assert task.env_kwargs == kept
    env = task.make(2, "disabled")
    assert (env.max_episode_steps, env.illegal_penalty, env.strict) == (900, 3.0, True)
    assert env.graph.node("job").count == 30


@pytest.mark.parametrize("objective", ["makespan", "flow_time", "total_tardiness", "weighted_tardiness"])
def test_the_objective_is_the_environments_own(monkeypatch, objective):
    """It may come from a preset of the environment, of which the options say nothing."""
    monkeypatch.setattr(job_shop_env, "PRESETS", {"mine": {"objective": objective}})
    config = build(TrainConfig, {"env": "ganttlet/JobShop-v0", "env_kwargs": {"preset": "mine"}}, "here")
    assert Task(config).objective == objective
