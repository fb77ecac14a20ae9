"""``policy:NAME`` over a stand-in for checkpoints: what it loads, how it decodes, what it refuses."""

import subprocess
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.family import get_family
from ganttlet.job_shop import JobShopInstance, resolve, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet_agents.evaluation.methods import method_types, parse_methods
from ganttlet_agents.rules import run_rule
from ganttlet_agents.search import beam, gumbel, make_batch, sample

ENV = "ganttlet/JobShop-v0"
DURATION = [feature.name for feature in JobShopVectorEnv(1).graph.node("job").features].index("duration")
FT06 = resolve("ft06")
DUE = JobShopInstance("due", [[0, 1], [1, 0], [0, 1], [1, 0]], [[4, 3], [2, 5], [3, 6], [1, 2]], 2, due=[7, 30, 9, 4])


def spt(obs):
    return np.where(obs["action_mask"] != 0, -obs["job"][:, :, DURATION], -1e8).astype(np.float32)


class Stand:
    """A stand-in for LoadedPolicy that counts the rows it scores at once."""

    def __init__(self, **card):
        plain = {"family": "job_shop", "env_id": ENV, "env_kwargs": {"timing": "active"}, "decoding": {}}
        plain["schema"] = {"phases": []}
        self.card = SimpleNamespace(**{**plain, **card})
        self.rows, self.graphs, self.complaint, self.inside = [], [], None, lambda: None

    def scorer(self):
        def score(obs):
            self.inside()
            self.rows.append(len(obs["job"]))
            return spt(obs)

        return score

    def evaluator(self):
        score = self.scorer()
        return lambda obs: (score(obs), np.zeros(len(obs["job"])))

    def check_graph(self, graph, what="environment"):
        self.graphs.append(what)
        if self.complaint:
            raise InputError(self.complaint)


@pytest.fixture
def checkpoints(monkeypatch):
    """Return the stand-ins by name, and the list of what was loaded; a name without one is an InputError."""
    known, loaded = {"job_shop": Stand()}, []

    def load_checkpoint(path_or_name, device="cpu"):
        loaded.append((path_or_name, device))
        if path_or_name not in known:
            raise InputError(f"policy {path_or_name!r}: no checkpoint there")
        return known[path_or_name]

    module = ModuleType("ganttlet_agents.policy.checkpoint")
    module.load_checkpoint = load_checkpoint
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return SimpleNamespace(known=known, loaded=loaded)


def one(text, family="job_shop"):
    (method,) = parse_methods(text, family)
    return method


def solve(text, instance=FT06, objective="makespan", seed=0):
    return one(text).solve(instance, objective=objective, seed=seed)


# Decoding.


def test_greedy_by_default(checkpoints):
    outcome = solve("policy:job_shop")
    expected = run_rule("spt", FT06, timing="active")
    assert np.array_equal(outcome.solution.start, expected.start)
    assert (outcome.decisions, outcome.bound, outcome.optimal, outcome.status) == (36, None, False, "")
    assert checkpoints.known["job_shop"].rows == [1] * 36


@pytest.mark.parametrize("text", ["decode=sample:samples=10", "samples=10"])
def test_samples(checkpoints, text):
    outcome = solve(f"policy:job_shop:{text}", seed=4)
    env = make_batch(ENV, 10, [FT06], timing="active")
    assert outcome.solution.digest == sample(env, spt, FT06, samples=10, seed=4).solution.digest
    assert outcome.decisions == 360
    assert set(checkpoints.known["job_shop"].rows) == {10}


def test_batch_caps_the_rows_and_changes_nothing(checkpoints):
    outcomes = [solve(f"policy:job_shop:samples=10:batch={batch}", seed=4) for batch in (128, 4)]
    assert outcomes[0].solution.digest == outcomes[1].solution.digest
    assert max(checkpoints.known["job_shop"].rows[36:]) == 4


def test_samples_follow_seed_and_temperature(checkpoints):
    texts = [("samples=6", 0), ("samples=6", 1), ("samples=6:temperature=9", 0), ("samples=6:temperature=1", 0)]
    digests = [solve(f"policy:job_shop:{text}", seed=seed).solution.digest for text, seed in texts]
    assert len(set(digests[:3])) == 3
    assert digests[3] == digests[0]


@pytest.mark.parametrize("text", ["decode=beam:width=5", "width=5"])
def test_beam(checkpoints, text):
    outcome = solve(f"policy:job_shop:{text}")
    expected = beam(make_batch(ENV, 5, [FT06], timing="active"), spt, FT06)
    assert outcome.solution.digest == expected.solution.digest
    assert outcome.decisions == expected.decisions


@pytest.mark.parametrize(
    ("decoding", "text", "rows"),
    [
        ({}, "", 1),
        ({}, ":decode=sample", 64),
        ({}, ":decode=beam", 16),
        ({"decode": "sample", "samples": 7}, "", 7),
        ({"decode": "sample", "samples": 7}, ":decode=greedy", 1),
        ({"decode": "sample", "samples": 7}, ":width=3", 3),
        ({"samples": 7, "width": 5}, ":decode=beam", 5),
        ({"samples": 7}, ":samples=9", 9),
        ({"samples": 7}, ":temperature=2", 7),
        ({"samples": 7}, ":threshold=0.9", 7),
    ],
)
def test_an_option_wins_over_the_checkpoint_and_that_over_the_default(checkpoints, decoding, text, rows):
    checkpoints.known["mine"] = stand = Stand(decoding=decoding)
    solve(f"policy:mine{text}")
    assert max(stand.rows) == rows


def test_the_checkpoints_temperature_is_used(checkpoints):
    checkpoints.known["warm"] = Stand(decoding={"temperature": 9.0})
    warm, plain = (solve(f"policy:{name}:samples=6").solution.digest for name in ("warm", "job_shop"))
    assert warm == solve("policy:job_shop:samples=6:temperature=9").solution.digest != plain


def test_thresholds_reach_the_samples(checkpoints):
    """Above the greatest probability nothing is drawn but what greedy play takes; a checkpoint's own can be undone."""
    checkpoints.known["keen"] = Stand(decoding={"threshold": "1", "samples": 6, "temperature": 9.0})
    greedy, keen, free, plain = (
        solve(f"policy:{text}").solution.digest
        for text in (
            "job_shop",
            "keen:decode=sample",
            "keen:threshold=0",
            "job_shop:samples=6:temperature=9",
        )
    )
    assert keen == greedy != free == plain
    assert one("policy:keen").method.settled["threshold"] == "1"


@pytest.mark.parametrize(
    ("decoding", "text"),
    [
        ({}, "decode=gumbel:simulations=4:episodes=5:reward_scale=2"),
        ({"reward_scale": 2.0, "simulations": 4}, "episodes=5"),
        ({"decode": "gumbel", "reward_scale": 2.0, "simulations": 4, "episodes": 5}, "considered=16"),
    ],
)
def test_searches(checkpoints, decoding, text):
    checkpoints.known["mine"] = stand = Stand(decoding=decoding)
    outcome = solve(f"policy:mine:{text}:batch=10", DUE, seed=4)
    evaluate = lambda obs: (spt(obs), np.zeros(len(obs["job"])))  # noqa: E731
    env = make_batch(ENV, 10, [DUE], timing="active")
    found = gumbel(env, evaluate, DUE, simulations=4, episodes=5, reward_scale=2.0, seed=4)
    assert outcome.solution.digest == found.solution.digest
    assert (outcome.decisions, outcome.simulated) == (found.decisions, found.simulated)
    assert outcome.decisions < outcome.simulated
    assert max(stand.rows) <= 8


def test_seconds_end_samples_and_searches(checkpoints):
    """Without time only the first round is played: 5 samples, or the greedy sequence and 1 searched one."""
    checkpoints.known["mine"] = Stand(decoding={"reward_scale": 1.0})
    sampled = solve("policy:mine:seconds=0:batch=5")
    assert sampled.decisions == sampled.simulated == 5 * 36
    assert solve("policy:mine:seconds=0:simulations=2:episodes=9:batch=5").decisions == 2 * 36
    assert solve("policy:mine:seconds=1000:samples=7:batch=5").decisions == 7 * 36


# What it knows.


@pytest.mark.parametrize(
    ("decoding", "text", "several"),
    [
        ({}, "", False),
        ({"samples": 7, "width": 5}, "", False),
        ({}, ":samples=1", False),
        ({}, ":samples=2", True),
        ({}, ":decode=sample", True),
        ({}, ":temperature=2", True),
        ({}, ":threshold=0.9", True),
        ({}, ":width=1", False),
        ({}, ":width=2", True),
        ({"decode": "sample", "samples": 7}, "", True),
        ({"decode": "sample", "samples": 7}, ":samples=1", False),
        ({"decode": "sample", "samples": 7}, ":decode=greedy", False),
        ({"width": 1}, ":decode=beam", False),
        ({"decode": "beam"}, "", True),
        ({"reward_scale": 1.0}, ":simulations=1", True),
        ({}, ":seconds=1", True),
        ({"decode": "gumbel", "reward_scale": 1.0}, "", True),
    ],
)
def test_choosing_among_plays_of_a_hidden_realisation_is_hindsight(checkpoints, monkeypatch, decoding, text, several):
    checkpoints.known["mine"] = Stand(decoding=decoding)
    method = one(f"policy:mine{text}")
    assert not get_family("job_shop").stochastic
    assert method.information("job_shop") == "causal"
    hidden = replace(get_family("job_shop"), stochastic=True)
    monkeypatch.setattr("ganttlet_agents.policy.methods.get_family", lambda name: hidden)
    assert method.information("job_shop") == ("clairvoyant" if several else "causal")


# Objectives, environments.


@pytest.mark.parametrize("objective", ["makespan", "total_tardiness", "flow_time"])
@pytest.mark.parametrize("own", ["makespan", "flow_time"])
def test_the_best_is_chosen_by_the_objective_asked_for(checkpoints, objective, own):
    checkpoints.known["mine"] = Stand(env_kwargs={"timing": "append", "objective": own})
    outcome = solve("policy:mine:samples=40:temperature=9", DUE, objective)
    env = make_batch(ENV, 40, [DUE], timing="append")
    found = sample(env, spt, DUE, samples=40, temperature=9.0, objective=objective)
    assert validate(DUE, outcome.solution).values[objective] == found.values.min() < found.values.max()


def test_an_objective_the_environment_does_not_show_leaves_its_own(checkpoints):
    checkpoints.known["mine"] = Stand(env_kwargs={"timing": "append", "objective": "flow_time"})
    outcome = solve("policy:mine:samples=20:temperature=9", FT06, "total_tardiness")
    assert outcome.solution.digest == solve("policy:mine:samples=20:temperature=9", FT06, "flow_time").solution.digest
    assert "total_tardiness" not in validate(FT06, outcome.solution).values


def test_an_unfinished_episode_is_said_to_be_one(checkpoints):
    checkpoints.known["mine"] = Stand(env_kwargs={"max_episode_steps": 3})
    assert solve("policy:mine").status == "unfinished"


def test_the_observation_is_compared_before_the_first_decision(checkpoints):
    checkpoints.known["mine"] = stand = Stand()
    stand.complaint = "its observation is another"
    with pytest.raises(InputError, match="its observation is another"):
        solve("policy:mine")
    assert (stand.graphs, stand.rows) == ([ENV], [])


def test_warm_up_plays_one_greedy_sequence(checkpoints):
    one("policy:job_shop:samples=50").warm_up(FT06, objective="makespan")
    assert checkpoints.known["job_shop"].rows == [1] * 36


def test_a_search_is_warmed_up_by_the_least_search(checkpoints):
    one("policy:job_shop:simulations=50:reward_scale=1").warm_up(FT06, objective="makespan")
    assert 0 < len(checkpoints.known["job_shop"].rows) <= 2 * 37


def test_threads_hold_while_it_plays(checkpoints):
    torch = pytest.importorskip("torch")
    before, seen = torch.get_num_threads(), []
    checkpoints.known["job_shop"].inside = lambda: seen.append(torch.get_num_threads())
    solve(f"policy:job_shop:threads={before + 1}")
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


# Names and labels.


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("policy:job_shop", "policy:job_shop"),
        ("policy:job_shop:samples=8:decode=sample", "policy:job_shop:decode=sample:samples=8"),
        ("policy:job_shop:batch=128:device=cpu:threads=none", "policy:job_shop"),
        ("policy:job_shop:temperature=0.50", "policy:job_shop:temperature=0.5"),
        ("policy:job_shop:width=none:threshold=0.99:samples=8", "policy:job_shop:samples=8:threshold=0.99"),
    ],
)
def test_labels(checkpoints, text, label):
    assert one(text).label == label == one(label).label


def test_a_path_is_handed_on_as_it_is_and_loaded_once(checkpoints):
    name = r"C:\runs\job_shop\quick-1"
    checkpoints.known[name] = Stand()
    method = one(f"policy:{name}:device=auto")
    assert checkpoints.loaded == [(name, "auto")]
    for _ in range(2):
        method.solve(FT06, objective="makespan", seed=0)
    assert len(checkpoints.loaded) == 1


def test_deterministic_on_the_cpu(checkpoints):
    assert one("policy:job_shop:samples=4").deterministic
    assert not one("policy:job_shop:device=cuda").deterministic
    assert not one("policy:job_shop:seconds=1").deterministic


def test_it_is_listed_for_every_family():
    for family in ("job_shop", "no_such_family"):
        assert ("policy", "*") in {(entry.kind, entry.name) for entry in method_types(family)}


# What is refused, before any instance is played.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy:runs/absent", "policy 'runs/absent': no checkpoint there"),
        (
            "policy:job_shop:decode=best",
            "option 'decode': unknown value 'best'; expected one of greedy, sample, beam, gumbel",
        ),
        ("policy:job_shop:samples=0", "option 'samples': 0 is too small"),
        ("policy:job_shop:temperature=0", "option 'temperature': 0 is too small; expected a number greater than 0"),
        ("policy:job_shop:width=0", "option 'width': 0 is too small"),
        ("policy:job_shop:batch=0", "option 'batch': 0 is too small"),
        ("policy:job_shop:threads=0", "option 'threads': 0 is too small"),
        ("policy:job_shop:device=tpu", "option 'device': unknown value 'tpu'; expected one of auto, cpu, cuda"),
        (
            "policy:job_shop:decode=greedy:samples=4",
            "method policy:job_shop option 'samples': needs decode=sample, and not decode=greedy",
        ),
        ("policy:job_shop:decode=beam:temperature=2", "option 'temperature': needs decode=sample, and not decode=beam"),
        ("policy:job_shop:decode=sample:width=2", "option 'width': needs decode=beam, and not decode=sample"),
        ("policy:job_shop:samples=4:width=2", "option 'width': needs decode=beam, and not decode=sample"),
        ("policy:job_shop:samples=4:simulations=2", "option 'simulations': needs decode=gumbel, and not decode=sample"),
        (
            "policy:job_shop:width=2:seconds=1",
            "option 'seconds': needs decode=sample or decode=gumbel, and not decode=beam",
        ),
        ("policy:job_shop:simulations=0", "option 'simulations': 0 is too small"),
        ("policy:job_shop:reward_scale=0", "option 'reward_scale': 0 is too small; expected a number greater than 0"),
        ("policy:job_shop:decode=gumbel", "decoding 'reward_scale': this checkpoint does not name the factor"),
    ],
)
def test_mistakes_name_what_was_expected(checkpoints, text, message):
    with pytest.raises(InputError, match=message):
        one(text)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"family": "vm_rescheduling"}, "method policy:mine: this policy plays vm_rescheduling, not job_shop"),
        ({"env_id": "ganttlet/JobShop-v9"}, "env_id of the checkpoint: unknown value 'ganttlet/JobShop-v9'"),
        ({"decoding": {"decode": "best"}}, "decoding 'decode': unknown value 'best'"),
        ({"decoding": {"samples": 0}}, "decoding 'samples': expected an integer of at least 1, got 0"),
        ({"decoding": {"temperature": "warm"}}, "decoding 'temperature': expected a number .* got 'warm'"),
        ({"decoding": {"temperature": 0}}, "decoding 'temperature': expected a number greater than 0"),
        ({"decoding": {"threshold": 0.9}}, "decoding 'threshold': expected a text, got 0.9"),
        ({"decoding": {"threshold": "high"}}, "threshold 'high': expected a number in 0 … 1"),
        (
            {"decoding": {"threshold": "vm/0.9"}, "schema": {"phases": ["pm"]}},
            "threshold: phase: unknown key 'vm'; expected one of pm",
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_used(checkpoints, card, message):
    checkpoints.known["mine"] = Stand(**card)
    with pytest.raises(InputError, match=message):
        one("policy:mine")


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_a_missing_package_is_named_with_its_command(checkpoints, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed; .*'ganttlet\[agents\]'"):
        one("policy:job_shop")
    assert checkpoints.loaded == []


def test_rules_search_and_evaluation_do_without_torch():
    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "import ganttlet_agents.search\n"
        "from ganttlet_agents.evaluation.methods import method_types, parse_methods\n"
        "print(*sorted({entry.kind for entry in method_types('job_shop')}))\n"
        "print(parse_methods('rule:spt', 'job_shop')[0].label)\n"
        "try:\n"
        "    parse_methods('policy:job_shop', 'job_shop')\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kinds, rule, message = done.stdout.splitlines()
    assert kinds.split() == ["policy", "python", "rule", "rule-file", "search", "solver"]
    assert (rule, message) == ("rule:spt", "torch is not installed; get it with: pip install 'ganttlet[agents]'")
