"""A training on a simulated cluster of three nodes; the node of one of its two workers is killed. Run by test_rllib."""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAY_AUTH_MODE"] = "disabled"
sys.path.insert(0, str(Path(__file__).parents[1]))

import ray
from ray.cluster_utils import Cluster

from ganttlet_agents.distributed import rllib
from ganttlet_agents.distributed.backend import Backend
from ganttlet_agents.training.folder import RunFolder
from runs import config_of

DEADLINE = 180.0


def where(runner):
    """Return the node of a runner, and the seeds of its rows."""
    return ray.get_runtime_context().get_node_id(), runner.env.unwrapped._seed.tolist()


def main() -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
        settings = config_of("ppo", rollout_workers=2, device="cpu", n_timesteps=10_000_000)
        backend = Backend("ray", cluster.address)
        with rllib.trainer(settings, backend=backend) as trainer, tempfile.TemporaryDirectory() as root:
            folder = RunFolder.new(Path(root), "job_shop", "run", True, settings)
            steps = trainer.steps(folder)
            next(steps), next(steps)
            group = trainer._learner.algorithm.env_runner_group
            before = group.foreach_env_runner(where, local_env_runner=False)
            lost = next(node for node in nodes if node.node_id == before[0][0])
            cluster.remove_node(lost, allow_graceful=False)
            played, begun, updates = trainer.total, time.monotonic(), 0
            # It goes on with the other worker, and in time with both, on the node that is left.
            after = []
            while len(after) < 2 and time.monotonic() - begun < DEADLINE:
                next(steps)
                updates += 1
                if group.num_healthy_remote_workers() == 2:
                    after = [one for one in group.foreach_env_runner(where, local_env_runner=False) if one]
                    after *= all(any(seeds) for _, seeds in after)
            steps.close()
            assert len(after) == 2, after
            assert trainer.total >= played + 48 * updates
            assert {node for node, _ in after} == {node.node_id for node in nodes if node is not lost}
            known = {seed for _, seeds in before for seed in seeds}
            new = {seed for _, seeds in after for seed in seeds} - known
            assert len(new) == 2, "the worker that was brought back plays instances that it has played before"
            print(f"{updates} updates and {time.monotonic() - begun:.0f} s until both workers played again")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main()
