"""The command line of training: what it does, how it stops, and that a mistake is one line and leaves nothing."""

import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from ganttlet_agents.cli import main
from ganttlet_agents.cli import train as cli
from ganttlet_agents.evaluation.suite import load_suite
from ganttlet_agents.training.folder import read_evaluations
from ganttlet_agents.training.saving import load_state

ROOT = Path(__file__).resolve().parents[2]
DRAW = {"name": "uniform", "jobs": [2, 3], "machines": 3}
PRESET = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {"timing": "active", "observation": "machines", "generator": DRAW},
    "n_timesteps": 144,
    "reward_scale": 0.02,
    "network": {"encoder": "pointer", "width": 8, "layers": 1, "hidden": 8},
    "ppo": {"n_envs": 4, "n_steps": 12, "batch_size": 24, "n_epochs": 1},
    "validation": {"count": 2},
    "threads": 1,
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(PRESET), encoding="utf-8")


def train(*words):
    return main(["job_shop", "--preset", "tiny.yaml", *words], within="train")


def refused(capsys, *words):
    """Run a command that must fail: code 2, one line on stderr, nothing made. Return the line."""
    before = sorted(path for path in Path().rglob("*"))
    assert main(list(words), within="train") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert sorted(path for path in Path().rglob("*")) == before
    return told.err


def stopping(monkeypatch, number, at=1):
    """Make the run receive a signal after its update number ``at``."""

    @contextmanager
    def display(bar):
        seen = []

        def on_status(status):
            seen.append(status)
            if len(seen) == at:
                signal.raise_signal(number)

        yield on_status

    monkeypatch.setattr(cli, "_display", display)


def test_it_trains_and_says_where(capsys):
    assert train() == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == f"run: {Path('runs/job_shop/tiny-1')}"
    # What is printed is a command that runs.
    words = shlex.split(told.out.splitlines()[1].removeprefix("judge it with: "))
    assert words[:2] == ["ganttlet", "evaluate"]
    assert words[-1] == f"policy:{Path('runs/job_shop/tiny-1')}"
    suite = load_suite(words[words.index("--suite") + 1])
    assert (suite.family, suite.objectives) == ("job_shop", ("makespan",))
    assert main([*words[1:], "--out", "judged", "--charts", "0"]) == 0
    assert "144 decisions" in told.err
    config = yaml.safe_load(Path("runs/job_shop/tiny-1/config.yaml").read_text())
    assert (config["n_timesteps"], config["device"]) == (144, "auto")


def test_flags_go_over_params_and_both_over_the_preset():
    words = ("-n", "48", "--seed", "7", "--eval-freq", "20", "--save-freq", "30", "--threads", "1", "--device", "cpu")
    params = ("-p", "ppo.learning_rate.start=3e-4", "ppo.learning_rate.profile=rex", "n_timesteps=9", "network.width=4")
    kwargs = ("--env-kwargs", "timing:nondelay", "max_jobs:5")
    assert train(*words, *params, *kwargs, "-f", "deep/er", "--name", "mine", "--time-limit", "600") == 0
    config = yaml.safe_load(Path("deep/er/job_shop/mine/config.yaml").read_text())
    assert [config[key] for key in ("n_timesteps", "seed", "eval_freq", "save_freq", "device", "time_limit")] == [
        48,
        7,
        20,
        30,
        "cpu",
        600.0,
    ]
    assert config["ppo"]["learning_rate"] == {"start": 3e-4, "end": 3.5e-5, "profile": "rex"}
    expected = {"encoder": "pointer", "width": 4, "layers": 1, "heads": 4, "hidden": 8}
    expected |= {"static_rounds": 0, "decoder": "mlp", "slots": 0}
    assert config["network"] == expected
    assert config["env_kwargs"] == {**PRESET["env_kwargs"], "timing": "nondelay", "max_jobs": 5}


def test_the_command_that_judges_a_run(monkeypatch):
    run = Path("runs/a b/c-1")
    monkeypatch.setenv("GANTTLET_DATA", "nowhere")
    words = "run --suite taillard_tardiness --methods 'policy:runs/a b/c-1'"
    assert cli.judging_command("job_shop", "total_tardiness", run) == f"ganttlet evaluate {words}"
    assert "--suite small " in cli.judging_command("job_shop", "makespan", run)
    Path("evaluate.py").write_text("")
    assert cli.judging_command("job_shop", "total_tardiness", run) == f"python evaluate.py {words}"
    # No suite: the user's own files.
    assert "run --instances 'job_shop:FILES' --methods" in cli.judging_command("job_shop", "weighted_tardiness", run)
    assert "run --instances 'bakery:FILES' --methods" in cli.judging_command("bakery", "makespan", run)


@pytest.mark.parametrize("key", ["instance", "instances"])
def test_a_run_on_fixed_instances_says_what_validation_plays(capsys, key):
    note = "note: the instances are fixed, so validation plays the training instances themselves"
    Path("tiny.yaml").write_text(
        yaml.safe_dump({**PRESET, "n_timesteps": 48, "env_kwargs": {key: "ft06" if key == "instance" else ["ft06"]}})
    )
    assert train("--name", "run") == 0
    assert capsys.readouterr().err.splitlines()[0] == note
    other = "validation.groups.a={name: uniform, jobs: 2, machines: 2}"
    assert train("--params", other) == 0
    assert note not in capsys.readouterr().err


def test_an_environment_by_id_without_a_preset():
    small = ("ppo.n_envs=2", "ppo.n_steps=8", "ppo.batch_size=8", "network.width=8", "validation.count=1", "threads=1")
    assert main(["--env", "ganttlet/JobShop-v0", "-n", "16", "-p", *small], within="train") == 0
    assert Path("runs/job_shop/JobShop-v0-1/checkpoints/best/policy.safetensors").is_file()


def test_names_count_up():
    for _ in range(2):
        assert train("-n", "48") == 0
    Path("runs/job_shop/tiny-7").mkdir()
    Path("runs/job_shop/tiny-x").mkdir()
    assert train("-n", "48") == 0
    names = {"tiny-1", "tiny-2", "tiny-7", "tiny-8", "tiny-x"}
    assert {path.name for path in Path("runs/job_shop").iterdir()} == names


def test_the_progress_bar_runs(capsys):
    assert train("-P", "-p", "validation.reference=rule:spt") == 0
    assert "decisions" not in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_end(monkeypatch, capsys, number, code):
    assert train("--name", "whole") == 0
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        stopping(patch, number)
        assert train("--name", "broken") == code
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers
    path = Path("runs/job_shop/broken")
    assert f"--resume {path}" in capsys.readouterr().out
    assert load_state(path / "checkpoints")[0].numbers["timesteps"] == 48
    assert main(["--resume", str(path)], within="train") == 0
    files = [Path(f"runs/job_shop/{name}/checkpoints/last/policy.safetensors") for name in ("whole", "broken")]
    from safetensors.torch import load_file

    first, second = (load_file(file) for file in files)
    assert all(bool((value == second[key]).all()) for key, value in first.items())
    assert len(read_evaluations(path)) == len(read_evaluations(Path("runs/job_shop/whole")))
    # The card names the command that began the run.
    assert (path / "command.txt").read_text().strip() in (path / "checkpoints/last/policy.json").read_text()


def test_a_signal_before_the_first_update_saves_too(monkeypatch):
    from ganttlet_agents.training.validation import Validator

    judge = Validator.judge

    def interrupted(self, score):
        signal.raise_signal(signal.SIGTERM)
        return judge(self, score)

    with monkeypatch.context() as patch:
        patch.setattr(Validator, "judge", interrupted)
        assert train("--name", "run") == 143
    assert load_state(Path("runs/job_shop/run/checkpoints"))[0].numbers["timesteps"] == 0
    assert main(["--resume", "runs/job_shop/run"], within="train") == 0


def test_a_second_interrupt_stops_at_once(monkeypatch, capsys):
    from ganttlet_agents.training.ppo import PPOLearner

    def slow(self, spent):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(PPOLearner, "iterate", slow)
    assert train("--name", "run") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
    load_state(Path("runs/job_shop/run/checkpoints"))


def test_sb3s_zip_is_written_only_when_asked_for():
    assert train("-n", "48", "--export-sb3", "out.zip") == 0
    assert Path("out.zip").stat().st_size > 0
    assert not [path for path in Path("runs").rglob("*") if path.suffix in (".zip", ".pkl", ".pth", ".pt")]


# Mistakes.

TINY = ("job_shop", "--preset", "tiny.yaml")
ID = ("--env", "ganttlet/JobShop-v0")
MISTAKES = {
    "both": (("job_shop", *ID), "--env and a family are both given; expected one of them"),
    "preset and env": ((*ID, "--preset", "quick"), "--env and --preset are both given"),
    "neither": ((), "expected a family (job_shop"),
    "family": (("bakery",), "family: unknown name 'bakery'; expected one of"),
    "preset": (("job_shop", "--preset", "slow"), "unknown name 'slow'; expected one of"),
    "preset file": (("job_shop", "--preset", "no.yaml"), "no.yaml"),
    "params of a number": (
        (*TINY, "-p", "ppo.entropy=0.1", "ppo.entropy.end=0.2"),
        "--params: 'ppo.entropy.end': ppo.entropy is 0.1 here; set it whole",
    ),
    "params of a name": (
        (*ID, "-p", "network.width=0"),
        "error: --env ganttlet/JobShop-v0 with --params: network: width: expected",
    ),
    "env": (("--env", "ganttlet/Bakery-v0"), "env: unknown id 'ganttlet/Bakery-v0'; expected one of"),
    "env of gymnasium": (("--env", "CartPole-v1"), "env: unknown id 'CartPole-v1'"),
    "params key": ((*TINY, "-p", "ppo.colour=1"), "error: preset tiny with --params: ppo: unknown key 'colour'"),
    "params form": ((*TINY, "-p", "ppo.n_envs"), "--params: 'ppo.n_envs'; expected key=value"),
    "params without key": ((*TINY, "-p", "=3"), "--params: '=3'; expected key=value"),
    "params yaml": ((*TINY, "-p", "ppo={n_envs: 3"), "--params: not valid YAML"),
    "params type": ((*TINY, "-p", "ppo.n_envs=many"), "ppo: n_envs: expected an integer, got 'many'"),
    "env kwargs form": ((*TINY, "--env-kwargs", "timing=active"), "--env-kwargs: 'timing=active'; expected key:value"),
    "env kwargs key": ((*TINY, "--env-kwargs", "colour:1"), "unexpected keyword argument 'colour'"),
    "env kwargs value": ((*TINY, "--env-kwargs", "timing:late"), "timing: unknown value 'late'"),
    "env kwargs of ours": ((*TINY, "--env-kwargs", "num_envs:3"), "env_kwargs: 'num_envs' is set by training itself"),
    "copy": ((*TINY, "--env-kwargs", "copy:true"), "env_kwargs: 'copy' is set by training itself"),
    "generator": ((*TINY, "--env-kwargs", "generator:{name: magic}"), "unknown value 'magic'"),
    "device": ((*TINY, "--device", "cuda:99"), "device 'cuda:99': not available"),
    "device name": ((*TINY, "--device", "abacus"), "device 'abacus': not available"),
    "budget": ((*TINY, "-n", "0"), "error: preset tiny with --n-timesteps: n_timesteps: expected at least 1, got 0"),
    "seed": ((*TINY, "--seed", "-1"), "seed: expected 0 … 999, got -1"),
    "name": ((*TINY, "--name", "a b"), "name 'a b': expected letters"),
    "name of dots": ((*TINY, "--name", ".."), "name '..': expected letters"),
    "teacher": ((*TINY, "-p", "algorithm=imitation", "imitation.teacher=rule:nobody"), "unknown rule 'nobody'"),
    "later teacher": (
        (*TINY, "-p", "algorithm=imitation", "imitation.teacher=rule:nobody", "warm_start.instances=2"),
        "unknown rule 'nobody'",
    ),
    "warm teacher": ((*TINY, "-p", "warm_start.teacher=policy:none/where"), "policy 'none/where': no checkpoint there"),
    "reference": ((*TINY, "-p", "validation.reference=rule:nobody"), "unknown rule 'nobody'"),
    "two references": ((*TINY, "-p", "validation.reference=rule:spt rule:mwkr"), "expected one method"),
    "validation group": ((*TINY, "-p", "validation.groups.a={name: magic}"), "unknown value 'magic'"),
    "gnn without edges": (
        (*TINY, "-p", "network.encoder=gnn", "--env-kwargs", "observation:jobs"),
        "encoder 'gnn': this observation has no list or pointer edges",
    ),
    "attention heads": ((*TINY, "-p", "network.encoder=attention", "network.width=6"), "not a multiple of heads"),
    "attention in training": (
        (*TINY, "--env-kwargs", "generator:{name: uniform, jobs: 600, machines: 2}",
         "-p", "network.encoder=attention", "validation.groups.a={name: uniform, jobs: 3, machines: 2}"),
        "encoder 'attention': 600 nodes",
    ),
    "attention in validation": (
        (*TINY, "-p", "network.encoder=attention", "validation.groups.a={name: uniform, jobs: 600, machines: 2}"),
        "encoder 'attention': 600 nodes",
    ),
    "index": ((*TINY, "--env-kwargs", "observation:graph", "static:index"), "static='observe'"),
    "export of a run with workers": (
        (*TINY, "--workers", "1", "--export-sb3", "x.zip"),
        "--export-sb3: Stable-Baselines3 has no part in a run with rollout_workers",
    ),
    "workers": ((*TINY, "--workers", "-1"), "preset tiny with --workers: rollout_workers: expected at least 0, got -1"),
    "export": ((*TINY, "-p", "algorithm=self_labelling", "--export-sb3", "x.zip"), "--export-sb3: needs algorithm ppo"),
    "warm start": ((*TINY, "-p", "warm_start_from=none/where"), "policy 'none/where': no checkpoint there"),
    "resume": (("--resume", "runs/none"), "config.yaml: cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(capsys, mistake):
    words, message = MISTAKES[mistake]
    assert message in refused(capsys, *words)


def test_a_preset_with_a_mistake_is_named(capsys):
    Path("tiny.yaml").write_text(yaml.safe_dump({**PRESET, "colour": 1}), encoding="utf-8")
    assert "tiny.yaml: unknown key 'colour'" in refused(capsys, *TINY)
    # Whatever else is given, as long as the mistake is the file's own.
    assert "error: tiny.yaml: unknown key 'colour'" in refused(capsys, *TINY, "-p", "network.width=4", "--seed", "3")
    Path("tiny.yaml").write_text(yaml.safe_dump({**PRESET, "env_kwargs": None}), encoding="utf-8")
    assert "tiny.yaml: env_kwargs: expected a mapping, got None" in refused(capsys, *TINY)
    assert train("--env-kwargs", "timing:active", "-n", "48", "-p", "network.width=4") == 0


def test_a_preset_of_another_family_is_refused(capsys, sack):
    Path("tiny.yaml").write_text(yaml.safe_dump({"env": "test/Sack-v0"}), encoding="utf-8")
    assert "error: tiny.yaml: env test/Sack-v0 is of family sack, not job_shop" in refused(capsys, *TINY)


def test_what_is_taken_stays_as_it_was(capsys):
    assert train("-n", "48", "--name", "mine") == 0
    capsys.readouterr()
    path = Path("runs/job_shop/mine")
    assert f"{path}: exists already; choose another --name" in refused(capsys, *TINY, "--name", "mine")
    Path("file").write_text("")
    assert "file is a file" in refused(capsys, *TINY, "-f", "file")
    # Resuming, with what does not belong to it.
    for flag, words in {
        "the family": ("job_shop",),
        "--seed": ("--seed", "0"),
        "--name": ("--name", "mine"),
        "--params": ("-p", "seed=1"),
        "--log-folder": ("-f", "elsewhere"),
        "--device": ("--device", "cpu"),
    }.items():
        message = f"--resume goes on with the run's own settings; leave {flag} out"
        assert message in refused(capsys, "--resume", str(path), *words)
    # Warm starts from it, with another feature set or network.
    other = ("--env-kwargs", "observation:jobs", "-p", f"warm_start_from={path}")
    assert "its observation is not the one the policy was trained on" in refused(capsys, *TINY, *other)
    other = ("-p", f"warm_start_from={path}", "network.width=4")
    assert f"warm_start_from '{path}': its network is" in refused(capsys, *TINY, *other)
    # Damage.
    (state,) = (path / "checkpoints").glob("state-*")
    (state / "state.npz").write_bytes(b"no zip")
    assert f"{state}: damaged: " in refused(capsys, "--resume", str(path))
    (path / "config.yaml").write_text("env: 3\n")
    assert "config.yaml: env: expected a text, got 3" in refused(capsys, "--resume", str(path))


def test_a_folder_that_cannot_be_written_leaves_nothing(capsys, monkeypatch):
    from ganttlet_agents.training import folder

    write = folder.write_atomic

    def full(path, data):
        if path.name == "config.yaml":
            raise OSError(28, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(folder, "write_atomic", full)
    assert train("--name", "mine") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(Path("runs/job_shop").iterdir()) == []


@pytest.mark.parametrize("package", ["torch", "safetensors", "stable-baselines3", "tensorboard"])
def test_a_missing_package_is_named_with_its_command(capsys, monkeypatch, package):
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == package.replace("-", "_") else find_spec(name))
    message = refused(capsys, *TINY)
    assert message == f"error: {package} is not installed; get it with: pip install 'ganttlet[agents]'\n"


BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "stable_baselines3", "tensorboard", "safetensors", "ortools"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Block())
"""
CALLS = {
    "ganttlet train": "from ganttlet_agents.cli import main\nsys.exit(main())",
    "train.py": f"import runpy\nrunpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')",
}


@pytest.mark.parametrize("command", CALLS)
def test_help_does_without_torch(command):
    code = f"{BLOCK}\nsys.argv = {[*command.split(), '--help']!r}\n{CALLS[command]}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    flags = ["--preset", "--env", "--n-timesteps", "--seed", "--eval-freq", "--save-freq", "--log-folder", "--resume"]
    for flag in [*flags, "--progress", "--device", "--env-kwargs", "--params"]:
        assert flag in done.stdout


def test_a_mistake_in_the_settings_does_without_torch():
    """A mistake in the settings is told before PyTorch is loaded, which takes seconds."""
    code = (
        "import sys\nfrom ganttlet_agents.cli import main\n"
        "assert main(['job_shop', '-p', 'colour=1'], within='train') == 2\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
