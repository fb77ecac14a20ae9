"""Simulated clusters of several nodes: one that differs is refused, one that is killed costs no row."""

import re
import shutil
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the ray extra")

from clusters import in_cluster

ROOT = Path(__file__).resolve().parents[2]
# 2,000 rows; a node is killed when some hundreds are there.
KILLED = """
node, other = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)

def kill():
    rows = Path("out/rows.jsonl")
    while not rows.exists() or rows.read_bytes().count(b"\\n") < 500:
        time.sleep(0.05)
    found["before"] = rows.read_bytes().count(b"\\n")
    cluster.remove_node(other, allow_graceful=False)

found = {}
killer = threading.Thread(target=kill)
killer.start()
words = "run --instances job_shop:ta01..ta10 --methods rule:spt rule:mwkr rule:lpt rule:random --seeds 0..49"
found["code"] = main([*words.split(), "--backend", backend, "--out", "out", "--no-report"], within="evaluate")
killer.join()
rows = [json.loads(line) for line in open("out/rows.jsonl")]
keys, failed = {row["key"] for row in rows}, [row for row in rows if row["error"]]
found |= {"rows": len(rows), "keys": len(keys), "failed": len(failed)}
print(json.dumps(found))
"""
# A node of many cores is killed while its workers begin, of whose loss Ray tells all at once.
UNBEGUN = """
node = cluster.add_node(num_cpus=8)

def kill():
    while not Path("out/meta.json").exists():
        time.sleep(0.02)
    cluster.remove_node(node, allow_graceful=False)

killer = threading.Thread(target=kill)
killer.start()
words = "run --instances job_shop:ft06 --methods rule:spt rule:random --seeds 0..49"
code = main([*words.split(), "--backend", backend, "--out", "out", "--no-report"], within="evaluate")
killer.join()
rows = [json.loads(line) for line in open("out/rows.jsonl")]
failed = [row for row in rows if row["error"]]
print(json.dumps({"code": code, "rows": len(rows), "keys": len({row["key"] for row in rows}), "failed": len(failed)}))
"""
# A node whose code is other.
OTHER = """
cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": os.environ["OTHER"]})
words = "run --instances job_shop:ft06 --methods rule:spt"
code = main([*words.split(), "--backend", backend, "--out", "out", "--no-report"], within="evaluate")
print(json.dumps({"code": code, "folder": Path("out").exists()}))
"""


def test_a_killed_node_costs_no_row_and_doubles_none(tmp_path):
    found, _ = in_cluster(KILLED, tmp_path)
    assert 500 <= found.pop("before") < 2000
    assert found == {"code": 0, "rows": 2000, "keys": 2000, "failed": 0}


@pytest.mark.long
def test_a_node_that_is_killed_while_many_workers_begin_costs_no_row(tmp_path):
    found, _ = in_cluster(UNBEGUN, tmp_path)
    assert found == {"code": 0, "rows": 100, "keys": 100, "failed": 0}


def test_a_node_with_other_code_is_refused_with_both_values(tmp_path):
    other = tmp_path / "other"
    shutil.copytree(ROOT / "envs", other, ignore=shutil.ignore_patterns("__pycache__"))
    with open(other / "ganttlet" / "core" / "rng.py", "a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    found, told = in_cluster(OTHER, tmp_path, OTHER=str(other))
    assert found == {"code": 2, "folder": False}
    assert re.search(r"error: node .*: code of ganttlet is \w{16} there, \w{16} here; every node needs the same", told)
