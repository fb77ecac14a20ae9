"""``load_policy`` and ``Policy.act`` in code of one's own; what imports load; how policies are listed."""

import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest

import ganttlet_agents
from ganttlet.core.errors import InputError
from ganttlet.job_shop import resolve, validate
from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.methods import method_types
from ganttlet_agents.search import greedy, make_batch

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")
pytest.importorskip("safetensors")

from ganttlet_agents import load_policy  # noqa: E402
from ganttlet_agents.policy import shipped  # noqa: E402
from ganttlet_agents.policy.checkpoint import Card, save_checkpoint  # noqa: E402
from policies import make_network, make_spec, random_obs  # noqa: E402

ENV = "ganttlet/JobShop-v0"
KWARGS = {"observation": "machines", "timing": "active"}
FT06 = resolve("ft06")


def graph_of(**options):
    return gym.make(ENV, **{**KWARGS, **options}).unwrapped.graph


def save(folder, graph, encoder="attention", seed=0, family="job_shop"):
    network = make_network(graph, encoder, seed)
    card = Card(family, ENV, KWARGS, network.config.to_dict(), network.schema.data)
    save_checkpoint(folder, network, card)
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return save(tmp_path_factory.mktemp("policy"), graph_of())


# Playing.


@pytest.mark.parametrize("encoder", ["attention", "pointer", "gnn"])
@pytest.mark.parametrize("observation", ["machines", "graph"])
def test_an_episode_of_one_environment(tmp_path, encoder, observation):
    env = gym.make(ENV, instance="ft06", **{**KWARGS, "observation": observation}, max_jobs=8)
    policy = load_policy(save(tmp_path, env.unwrapped.graph, encoder), env)
    obs, _ = env.reset(seed=0)
    for step in range(36):
        action = policy.act(obs)
        assert type(action) is int
        assert obs["action_mask"][action]
        obs, _, terminated, _, info = env.step(action)
        assert terminated == (step == 35)
    found = validate(FT06, env.unwrapped.solution()).values["makespan"]
    assert found == info["objectives"]["makespan"]
    batch = make_batch(ENV, 1, [FT06], **{**KWARGS, "observation": observation})
    assert greedy(batch, policy._score, FT06).value == found
    assert env.action_space.contains(policy.act(obs))  # the terminal observation allows every action


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_episodes_of_a_batch(path, mode, deterministic):
    env = gym.make_vec(ENV, 3, generator={"name": "uniform", "jobs": 3, "machines": 2}, autoreset_mode=mode, **KWARGS)
    policy = load_policy(path, env)
    obs, _ = env.reset(seed=0)
    ended = 0
    for _ in range(15):
        actions = policy.act(obs, deterministic=deterministic)
        assert (actions.shape, actions.dtype) == ((3,), np.int64)
        assert obs["action_mask"][np.arange(3), actions].all()
        obs, _, terminated, _, info = env.step(actions)
        assert "illegal_action" not in info or not info["illegal_action"].any()
        ended += int(terminated.sum())
    assert ended >= 3


def test_a_batch_acts_as_its_rows_do(path):
    env = gym.make_vec(ENV, 4, **KWARGS)
    policy = load_policy(path)
    obs, _ = env.reset(seed=1)
    rows = [{key: part[row] for key, part in obs.items()} for row in range(4)]
    assert policy.act(obs).tolist() == [policy.act(row) for row in rows]
    obs["action_mask"][0], obs["action_mask"][0, 3] = 0, 1
    assert policy.act(obs)[0] == 3


def test_a_policy_plays_larger_instances(path):
    env = gym.make(ENV, instance="ft10", **KWARGS)
    policy = load_policy(path, env)
    obs, _ = env.reset()
    terminated = False
    while not terminated:
        obs, _, terminated, truncated, _ = env.step(policy.act(obs))
        assert not truncated


def test_samples_follow_their_seed(path):
    env = gym.make_vec(ENV, 64, instance="ft06", **KWARGS)
    obs, _ = env.reset(seed=0)

    def drawn(policy, **options):
        return policy.act(obs, deterministic=False, **options).tolist()

    first, second = load_policy(path), load_policy(path)
    one, two = drawn(first), drawn(first)
    assert one != two
    assert [drawn(second), drawn(second)] == [one, two]
    first.seed(7)
    seven = drawn(first)
    assert seven != one
    first.act(obs)  # takes nothing from the stream
    second.seed(7)
    assert [drawn(second), drawn(second)] == [seven, drawn(first)]
    second.seed(7)
    assert drawn(second, temperature=1e-6) == first.act(obs).tolist()


def test_samples_have_the_networks_probabilities(tmp_path):
    graph = graph_of()
    policy = load_policy(save(tmp_path, graph, seed=4))
    obs, _ = gym.make(ENV, **KWARGS).reset(seed=3)
    many = {key: np.repeat(part[None], 4000, 0) for key, part in obs.items()}
    logits = policy._score({key: part[:1] for key, part in many.items()})[0]
    for temperature in (1.0, 2.0):
        counts = np.bincount(policy.act(many, deterministic=False, temperature=temperature), minlength=len(logits))
        expected = np.exp(logits / temperature - (logits / temperature).max())
        assert np.allclose(counts / 4000, expected / expected.sum(), atol=0.04)


@pytest.mark.parametrize("temperature", [1.0, 1e9])
def test_a_sample_is_legal_at_any_temperature(path, temperature):
    policy = load_policy(path)
    env = gym.make_vec(ENV, 200, **KWARGS)
    obs, _ = env.reset(seed=0)
    obs["action_mask"][:, 1:4] = 0
    actions = policy.act(obs, deterministic=False, temperature=temperature)
    assert set(actions.tolist()) <= {0, 4, 5}


def test_reading_does_not_change_or_keep_the_observation(path):
    obs, _ = gym.make(ENV, **KWARGS).reset(seed=0)
    policy = load_policy(path)
    before = {key: part.copy() for key, part in obs.items()}
    expected = policy.act(obs)
    assert all(np.array_equal(part, before[key]) for key, part in obs.items())
    for part in obs.values():
        part[:] = 0
    assert policy.act(before) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for part in before.values():
            part.flags.writeable = False
        assert policy.act(before) == expected


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observation": "jobs"}, r"^env: its observation is not .*: nodes\.job\.features: without"),
        ({"observation": "graph"}, r"^env: its observation is not .*: nodes\."),
        ({"timing": "wait"}, r"^env: its observation is not .*: segments: with \['context', 1, ''\]; make it with"),
        ({"objective": "total_tardiness"}, r"^env: its observation is not .*: nodes\.job\.features: with"),
    ],
)
def test_another_observation(path, options, message):
    for make in (gym.make, gym.make_vec):
        with pytest.raises(InputError, match=message) as caught:
            load_policy(path, make(ENV, **{**KWARGS, **options}))
        assert "'observation': 'machines'" in str(caught.value)


def test_another_family(tmp_path, path):
    other = save(tmp_path, make_spec(), family="memory_mapping")
    with pytest.raises(InputError, match=r"^env: its observation is not .*: nodes\.task: missing"):
        load_policy(other, gym.make(ENV, **KWARGS))
    policy = load_policy(other)
    with pytest.raises(InputError, match="observation: key 'task_mask' is missing"):
        policy.act(gym.make(ENV, **KWARGS).reset()[0])
    assert policy.act(random_obs(make_spec(), 3)).shape == (3,)


class WithGraph:
    """Some other package's environment."""

    graph = {"nodes": 3}  # noqa: RUF012


def test_what_is_no_environment_of_ours(path):
    for env in (gym.make("CartPole-v1"), WithGraph(), 3, "job_shop"):
        with pytest.raises(InputError, match=r"^env: is no ganttlet environment"):
            load_policy(path, env)


def test_other_observations_are_refused_when_acting(path):
    policy = load_policy(path)
    obs, _ = gym.make(ENV, **KWARGS).reset()
    cases = [
        ({**obs, "job": obs["job"][:, 1:]}, r"observation: 'job' has \d+ features, the policy expects"),
        ({**obs, "context": obs["context"][1:]}, r"observation: 'context' has \d+ features"),
        ({**obs, "action_mask": np.ones(7, np.int8)}, "observation: 'action_mask' has 7 actions, the policy expects 6"),
        ({key: part for key, part in obs.items() if key != "needs_index"}, "observation: key 'needs_index' is missing"),
        ({key: part for key, part in obs.items() if key != "action_mask"}, "observation: .* 'action_mask'"),
        (obs["job"], "observation: expected a mapping"),
        (None, "observation: expected a mapping"),
    ]
    for wrong, message in cases:
        with pytest.raises(InputError, match=message):
            policy.act(wrong)


def test_static_blocks_are_asked_for(tmp_path):
    policy = load_policy(save(tmp_path, graph_of(observation="graph"), "pointer"))
    env = gym.make(ENV, observation="graph", static="index")
    with pytest.raises(InputError, match=r"observation: key 'op_(mask|static)' is missing; .*static='observe'"):
        policy.act(env.reset()[0])


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "warm", None])
def test_temperature(path, temperature):
    obs, _ = gym.make(ENV, **KWARGS).reset()
    with pytest.raises(InputError, match="temperature: expected a number"):
        load_policy(path).act(obs, deterministic=False, temperature=temperature)


@pytest.mark.parametrize("seed", [-1, 1.5, None, "a"])
def test_seed(path, seed):
    with pytest.raises(InputError, match="seed: expected an integer"):
        load_policy(path).seed(seed)


def test_no_checkpoint_and_no_device(tmp_path, path):
    with pytest.raises(InputError, match="no checkpoint there"):
        load_policy(tmp_path / "absent", gym.make(ENV))
    with pytest.raises(InputError, match="device 'nonsense': not available"):
        load_policy(path, device="nonsense")


# Imports.


def test_names():
    from ganttlet_agents.policy import acting

    assert ganttlet_agents.load_policy is acting.load_policy
    assert ganttlet_agents.Policy is acting.Policy
    with pytest.raises(AttributeError, match="has no attribute 'load_polizy'"):
        _ = ganttlet_agents.load_polizy


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_imports_load_no_torch():
    inner = ("", ".methods", ".schema", ".config", ".shipped")
    modules = ("", *(f".policy{name}" for name in inner), ".search", ".cli")
    code = "\n".join(f"import ganttlet_agents{name}" for name in modules)
    heavy = {"torch", "torch_geometric", "safetensors", "stable_baselines3", "ray"}
    assert run(f"{code}\nimport sys\nprint(*sorted(set(sys.modules) & {heavy!r}))") == ""


def test_torch_geometric_is_loaded_for_the_gnn_alone(path):
    code = f"import sys\nfrom ganttlet_agents import load_policy\nload_policy({str(path)!r})\n"
    assert run(f"{code}print('torch' in sys.modules, 'torch_geometric' in sys.modules)") == "True False"


def test_a_missing_package_is_named():
    code = (
        "import sys\nsys.modules['torch'] = None\nimport ganttlet_agents\n"
        "try:\n    ganttlet_agents.load_policy\nexcept ImportError as error:\n    print(error)"
    )
    assert run(code) == "torch is not installed; get it with: pip install 'ganttlet[agents]'"


# Listing.


def test_patterns():
    patterns = {entry.pattern for entry in method_types("job_shop")}
    assert {"policy:NAME", "rule:spt", "solver:cpsat"} <= patterns
    assert not any("*" in pattern for pattern in patterns)


def test_policies_are_listed(tmp_path, monkeypatch, capsys):
    save(tmp_path / "some_policy", graph_of())
    monkeypatch.setattr(shipped, "shipped_root", lambda: tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["evaluate", "list", "--only", "policy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line and not line.startswith(" ")]
    assert titles == ["policies", "options of policies", "shipped policies"]
    words = " ".join(lines).split()
    assert "policy:NAME" in words
    assert "policy:some_policy" in words
    assert "policy:*" not in words
    monkeypatch.setattr(shipped, "shipped_root", lambda: tmp_path / "absent")
    assert main(["evaluate", "list", "--only", "policy"]) == 0
    assert "shipped policies" not in capsys.readouterr().out


def test_listing_needs_no_torch():
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'safetensors'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from ganttlet_agents.cli import main\n"
        "sys.exit(main(['evaluate', 'list', '--only', 'policy']))"
    )
    assert "policy:NAME" in run(code)
