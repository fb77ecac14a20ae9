"""The published snapshots by name: where they lie, and that they are what was published."""

from __future__ import annotations

import hashlib

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.core.family import DataSet
from ganttlet.vm_rescheduling.formats import parse_snapshot
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.whole_file import load_json, read_bytes

# name -> file under vm_rescheduling/ of the folder of outside data, and the file's SHA-256
SNAPSHOTS = {
    "medium": (
        "bytedance_medium_279pm_2089vm.json",
        "60a4db31443d83f8d5d18ce95ade9adeb62b67d0f8ee19360a68ed0d9de1ee1f",
    ),
    "large": (
        "bytedance_large_1176pm_4546vm.json",
        "3155d73bded95f3f236f074618a6b7a5601edb2c48898e6bc2e3c5d0a7c65a19",
    ),
}
_ORIGIN = "one anonymised production snapshot; bytedance/DRL-based-VM-Rescheduling at a1232df"


def _set(name: str, sha256: str) -> DataSet:
    """Describe a snapshot's file; ``sha256`` is ganttlet.core.data.data_set_digest of it."""
    return DataSet(name, f"vm_rescheduling/{SNAPSHOTS[name][0]}", 1, _ORIGIN, "Apache-2.0 (ByteDance)", sha256)


DATA_SETS = (
    _set("medium", "67b34cbc9d5ed34a0e0e3df1e23c2e78b840d5ddf7596c3c5a8a16d1bd00ec7a"),
    _set("large", "d65961e92e2f93fd069c44edd366e63e63128084598b4d3308f2991b8c044e9d"),
)


def load_snapshot(name: str) -> Cluster:
    """Return a published snapshot by name; raises InputError if its file is absent or another one."""
    file, sha256 = SNAPSHOTS[name]
    path = data_path("vm_rescheduling", file)
    if not path.is_file():
        raise InputError(
            f"instance {name!r}: {path} does not exist; set GANTTLET_DATA to the folder that holds "
            f"vm_rescheduling/{file}"
        )
    content = read_bytes(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: is not the published snapshot {name!r}; its SHA-256 differs from {sha256}")
    return parse_snapshot(load_json(content, str(path)), name, str(path))
