"""What must be the same on every node of a cluster, asked there and compared with what is here."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.config import config_root
from ganttlet_agents.evaluation import provenance

Facts = dict[str, str]
Question = Callable[[], Mapping[str, str]]
# The packages whose files decide a result, whatever their version says.
OURS = ("ganttlet", "ganttlet_agents")
DIGITS = 16


@cache
def _own_facts() -> tuple[tuple[str, str], ...]:
    facts = {f"version of {name}": text for name, text in provenance.versions().items()}
    for package in OURS:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        facts[f"code of {package}"] = _hash_of(Path(spec.origin).parent, (".py",))
    facts["configs"] = _hash_of(config_root(), (".yaml", ".yml", ".csv"))
    return tuple(facts.items())


def facts_here(question: Question | None = None) -> Facts:
    """Return what must agree, by name: versions, hashes of our code and configurations, and what ``question`` tells."""
    return {**dict(_own_facts()), **(question() if question is not None else {})}


def first_difference(there: Mapping[str, str], here: Mapping[str, str]) -> str | None:
    """Return the first fact that differs, with both values; None if all agree."""
    for name in dict.fromkeys([*here, *there]):
        if here.get(name) != there.get(name):
            return f"{name} is {there.get(name, 'missing')} there, {here.get(name, 'missing')} here"
    return None


def digest_of(content: bytes) -> str:
    """Return the hash by which a file is told from others."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def last_line(error: BaseException) -> str:
    """Return the last line of an error, which in one of Ray's is the exception that was raised there."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()


def check_nodes(question: Question | None = None) -> None:
    """Ask every node of the cluster that has cores, and compare.

    Args:
        question: further facts, told by a function that can be pickled; it may raise InputError.

    Raises:
        InputError: naming the node and the first fact that differs, with both values.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = facts_here(question)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    asked = [
        ray.remote(_answer)
        .options(
            num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        )
        .remote(question)
        for node in nodes
    ]
    for node, reference in zip(nodes, asked, strict=True):
        name = node_name(node)
        try:
            there = ray.get(reference)
        except RayError as error:
            raise InputError(f"node {name}: cannot be asked: {last_line(error)}") from None
        if isinstance(there, InputError):
            raise InputError(f"node {name}: {there}")
        difference = first_difference(there, here)
        if difference is not None:
            raise InputError(f"node {name}: {difference}; every node needs the same")


def node_name(node: Mapping[str, Any]) -> str:
    """Return how a node of ``ray.nodes()`` is called in errors: its host, address and the start of its id."""
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']}, {node['NodeID'][:8]})"


def _answer(question: Question | None) -> Facts | InputError:
    # Returned, not raised: Ray would wrap it into a traceback.
    try:
        return facts_here(question)
    except InputError as error:
        return error


def _hash_of(root: Traversable, endings: tuple[str, ...]) -> str:
    """Return a hash of the names and contents of all files below a folder that end so."""
    state = hashlib.sha256()

    def read(folder: Traversable, path: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda one: one.name):
            if entry.is_dir():
                read(entry, f"{path}{entry.name}/")
            elif entry.name.endswith(endings):
                state.update(f"{path}{entry.name}\0".encode())
                # A checkout on Windows may have other ends of lines.
                state.update(entry.read_bytes().replace(b"\r\n", b"\n"))

    read(root, "")
    return state.hexdigest()[:DIGITS]
