"""A sweep on a simulated cluster of three nodes, one of which is killed in its midst."""

import csv
import json

import pytest
import yaml

pytest.importorskip("ray", reason="needs the ray extra")

from safetensors.torch import load_file

from clusters import in_cluster
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Trainer

SWEEP = {
    "family": "job_shop",
    "params": {
        "env_kwargs.generator": {"name": "uniform", "jobs": [2, 3], "machines": 3},
        "network": {"encoder": "pointer", "width": 8, "layers": 1, "hidden": 8},
        "ppo": {"n_envs": 4, "n_steps": 12, "batch_size": 24, "n_epochs": 1},
        "validation.groups": {"a": {"name": "uniform", "jobs": 3, "machines": 3}},
        "validation.count": 2,
    },
    # Too small to change a decision, so that no setting is worse than another and stopped.
    "space": {"ppo.learning_rate.start": {"log": [1e-9, 1e-8]}},
    "n_timesteps": 4800,
    "seeds": 2,
    "trials": 3,
    "rungs": {"grace": 600, "reduction_factor": 2},
}
KILLED = """
node, other = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
settings = Path("sweeps/job_shop/killed/settings")

def lines():
    return [path.read_text().count("\\n") for path in settings.glob("*/seed-*/progress.csv")]

def kill():
    # Each node has a setting, and each setting has come past its first rung.
    while "code" not in found and sum(count > 16 for count in lines()) < 3:
        time.sleep(0.05)
    found["before"] = sum(lines())
    cluster.remove_node(other, allow_graceful=False)

found = {}
killer = threading.Thread(target=kill)
killer.start()
found["code"] = main(["tune", "sweep.yaml", "--backend", backend, "--name", "killed"], within="train")
killer.join()
print(json.dumps(found))
"""


@pytest.mark.long
def test_a_killed_node_costs_no_run(tmp_path):
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    found, told = in_cluster(KILLED, tmp_path)
    assert found["code"] == 0
    assert "goes on from its last saved state" in told
    folder = tmp_path / "sweeps/job_shop/killed"
    settings = json.loads((folder / "results.json").read_text(encoding="utf-8"))["settings"]
    assert sorted(one["setting"] for one in settings) == [0, 1, 2]
    updates = 0
    for one in settings:
        assert one["state"] == "full budget"
        for seed in one["seeds"]:
            with open(folder / seed["run"] / "progress.csv", newline="", encoding="utf-8") as file:
                ends = [int(line["timesteps"]) for line in csv.DictReader(file)]
            # Every update once.
            assert ends == list(range(48, 4801, 48))
            updates += len(ends)
            config = RunFolder.open(folder / seed["run"])[1]
            alone = RunFolder.new(tmp_path, f"alone-{one['setting']}", str(seed["seed"]), True, config)
            Trainer(config).run(alone)
            kept, made = (
                load_file(run / "checkpoints/last/policy.safetensors") for run in (folder / seed["run"], alone.path)
            )
            assert all(bool((value == made[key]).all()) for key, value in kept.items())
    # The node died in the midst.
    assert found["before"] < updates
