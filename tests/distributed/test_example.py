"""The example of a cluster is one that Ray's launcher takes, and it leaves nothing behind that a node needs."""

from pathlib import Path

import pytest
import yaml

pytest.importorskip("ray", reason="needs the ray extra")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = yaml.safe_load((ROOT / "examples" / "cluster.yaml").read_text(encoding="utf-8"))


def test_the_launcher_takes_it():
    from ray.autoscaler._private.util import prepare_config, validate_config

    filled = prepare_config(EXAMPLE)
    validate_config(filled)
    (node,) = filled["available_node_types"].values()
    assert node["min_workers"] == node["max_workers"] == len(EXAMPLE["provider"]["worker_ips"])


def test_only_what_git_ignores_at_the_top_is_left_behind():
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
    # rsync leaves a name without a slash out at every depth, where a folder of ours may be called so.
    anchored = {f"/{name.lstrip('/')}" for name in ignored} | {"/.git"}
    for name in EXAMPLE["rsync_exclude"]:
        assert name in (anchored if name.startswith("/") else {"__pycache__"})


def test_all_nodes_get_the_sources_and_the_token_and_start_ray_from_where_it_is_installed():
    mounts = EXAMPLE["file_mounts"]
    assert mounts["~/.ray/auth_token"] == "~/.ray/auth_token"
    (folder,) = (there for there, here in mounts.items() if here == ".")
    assert all(command.startswith(f"cd {folder} && make install ") for command in EXAMPLE["setup_commands"])
    for commands in (EXAMPLE["head_start_ray_commands"], EXAMPLE["worker_start_ray_commands"]):
        assert all(command.startswith(f"{folder}/.venv/bin/ray ") for command in commands)
