"""Weighted task graphs from files: the Standard Task Graph set's format (STG) and a subset of Graphviz DOT.

Such graphs say how much work a task is, not how long it takes where: :func:`related_platform` makes PEs that differ in
speed alone. Everything is read by hand; nothing of a file is executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.scenario import MAX_TIME

FREE = 2**31  # bandwidth within a PE: every volume, an int32, takes 0 ticks


@dataclass(frozen=True)
class TaskGraph:
    """An application and the work of its tasks.

    Fields:
        application: the graph; every task has a kernel of its own unless the file names kernels.
        work: per task its work, in ticks on a PE of speed 1; None where the file says nothing.
    """

    application: Application
    work: tuple[float | None, ...]


def related_platform(
    graphs: Sequence[TaskGraph], speeds: Sequence[float], *, bandwidth: int = 1, name: str = "related"
) -> Platform:
    """Return PEs on which a task takes ceil(work / speed) ticks.

    Args:
        graphs: the applications it is to serve.
        speeds: one per PE; neighbours of equal speed form a cluster.
        bandwidth: volume per tick between two PEs; within a PE data takes no time.
        name: the platform's.

    Raises:
        InputError: for speeds or a bandwidth that are not positive, tasks without work, or tasks of one kernel and
            application that differ in work.
    """
    if not speeds or any(not (math.isfinite(speed) and speed > 0) for speed in speeds):
        raise InputError(f"platform {name!r}: speeds {list(speeds)}; expected at least one, all above 0")
    if bandwidth < 1:
        raise InputError(f"platform {name!r}: bandwidth is {bandwidth}; expected at least 1")
    groups: list[tuple[float, int]] = []
    for speed in speeds:
        if groups and groups[-1][0] == speed:
            groups[-1] = (speed, groups[-1][1] + 1)
        else:
            groups.append((speed, 1))
    times: dict[str, dict[str, tuple[int, ...]]] = {}
    for graph in graphs:
        app, table = graph.application, dict[str, tuple[int, ...]]()
        for task, (kernel, work) in enumerate(zip(app.kernels, graph.work, strict=True)):
            if work is None:
                raise InputError(f"application {app.name!r}: task {task} ({kernel}) has no weight; expected its work")
            if work > MAX_TIME * min(speeds):
                raise InputError(f"application {app.name!r}: task {task} ({kernel}) takes over {MAX_TIME} ticks")
            # 1e-9: so that 3 / 0.3 is 10 ticks.
            row = tuple(math.ceil(work / speed - 1e-9) for speed, _ in groups)
            if table.setdefault(kernel, row) != row:
                raise InputError(f"application {app.name!r}: tasks of kernel {kernel!r} differ in weight")
        times[app.name] = table
    return Platform(
        name=name,
        clusters=tuple(Cluster(f"C{i}", count) for i, (_, count) in enumerate(groups)),
        bandwidth=((bandwidth,) * len(groups),) * len(groups),
        bandwidth_same_pe=FREE,
        times=times,
        source="PEs that differ in speed alone",
    )


def read_graph(path: str | Path) -> TaskGraph:
    """Read a .stg or .dot file; raises InputError naming the file and what was expected."""
    path = Path(path)
    if path.suffix == ".stg":
        return read_stg(path)
    if path.suffix == ".dot":
        return read_dot(path)
    raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .stg or .dot")


def read_stg(path: str | Path) -> TaskGraph:
    """Read a graph of the Standard Task Graph set (Tobita and Kasahara, J. Scheduling 2002).

    The first line has the number of tasks n, or in the prototype set n and the number of processors, which is not
    used. Then come n to n + 2 tasks, dummy entry and exit included: number, processing time, number of predecessors,
    and the predecessors; or, with communication costs, a line "predecessor cost" for each. ``#`` begins the remarks.
    Kernels are called task_<number>; dummy tasks stay, with no work; costs are the volumes.

    Raises:
        InputError: naming file and line.
    """
    path = Path(path)
    rows = []
    for number, text in enumerate(_read(path).splitlines(), 1):
        words = text.split("#")[0].split()
        if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
            raise InputError(f"{path}:{number}: expected integers in 0 … 999999999, found {text.strip()!r}"[:300])
        if words:
            rows.append((number, [int(word) for word in words]))
    if not rows or len(rows[0][1]) > 2:
        raise InputError(f"{path}:{rows[0][0] if rows else 1}: expected the number of tasks")
    announced = rows[0][1][0]
    tasks: dict[int, int] = {}
    found: list[tuple[int, int, int, int]] = []  # line, source, target, volume
    left = iter(rows[1:])
    for number, row in left:
        if len(row) < 3:
            raise InputError(f"{path}:{number}: expected task, time, number of predecessors, predecessors")
        task, time, count, *rest = row
        if task in tasks:
            raise InputError(f"{path}:{number}: task {task} is listed twice")
        tasks[task] = time
        if not rest:
            for _ in range(count):
                at, pair = next(left, (number, []))
                if len(pair) != 2:
                    raise InputError(f"{path}:{at}: task {task} has {count} predecessors; expected 'predecessor cost'")
                found.append((at, pair[0], task, pair[1]))
        elif len(rest) != count:
            raise InputError(f"{path}:{number}: task {task} announces {count} predecessors, but lists {len(rest)}")
        else:
            found += [(number, source, task, 0) for source in rest]
    if not announced <= len(tasks) <= announced + 2 or not tasks:
        raise InputError(
            f"{path}: announces {announced} tasks, but lists {len(tasks)}; expected {announced} … {announced + 2}"
        )
    at_row = {task: row for row, task in enumerate(tasks)}
    edges = {}
    for number, source, target, volume in found:
        if source not in at_row:
            raise InputError(f"{path}:{number}: predecessor {source} of task {target} is not listed")
        if (source, target) in edges:
            raise InputError(f"{path}:{number}: predecessor {source} of task {target} is listed twice")
        edges[source, target] = (at_row[source], at_row[target], volume)
    return _graph(path, path.stem, [f"task_{task}" for task in tasks], list(edges.values()), list(tasks.values()))


# What DOT consists of: spaces and remarks; quoted texts; names and numbers; marks.
_TOKEN = re.compile(
    r'(?P<skip>\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)|"(?P<text>(?:[^"\\]|\\.)*)"'
    r"|(?P<word>-?(?:\.\d+|\d+(?:\.\d*)?)|[A-Za-z_\u0080-\uffff][\w]*)|(?P<mark>->|--|[][{}=;,:])",
    re.DOTALL,
)


def read_dot(path: str | Path) -> TaskGraph:
    """Read one directed graph in a subset of Graphviz DOT: nodes, edges, chains of edges, attributes and defaults.

    A node's ``weight``, else a ``label`` that is a number, is its work; ``kernel``, else its name, its kernel. An
    edge's ``weight``, else its ``label``, is its volume, 0 without either. Tasks are numbered as the nodes first
    occur. Other attributes have no meaning here. Subgraphs, ports and undirected edges are refused.

    Raises:
        InputError: naming file and line.
    """
    path = Path(path)
    reader = _Dot(path, _read(path))
    name = reader.graph()
    kernels, work = [], []
    for node, attributes in reader.nodes.items():
        kernels.append(attributes.get("kernel", (0, node))[1])
        line, weight = attributes.get("weight", attributes.get("label", (0, "")))
        value = _number(weight)
        if value is None and "weight" in attributes:
            raise InputError(f"{path}:{line}: node {node!r}: weight is {weight!r}; expected a number of at least 0")
        work.append(value)
    at_row = {node: row for row, node in enumerate(reader.nodes)}
    edges = []
    for (source, target), attributes in reader.edges.items():
        line, weight = attributes.get("weight", attributes.get("label", (0, "0")))
        value = _number(weight)
        if value is None or value != int(value):
            where = f"{path}:{line}: edge {source} -> {target}"
            raise InputError(f"{where}: volume is {weight!r}; expected an integer of at least 0")
        edges.append((at_row[source], at_row[target], int(value)))
    if not kernels:
        raise InputError(f"{path}: the graph has no node; expected at least one")
    return _graph(path, name or path.stem, kernels, edges, work)


class _Dot:
    """A reader of DOT that goes from mark to mark; attributes are kept with the line they stand on."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.tokens = _tokens(path, text)
        self.next = 0
        self.nodes: dict[str, dict[str, tuple[int, str]]] = {}
        self.edges: dict[tuple[str, str], dict[str, tuple[int, str]]] = {}
        self.defaults: dict[str, dict[str, tuple[int, str]]] = {"node": {}, "edge": {}, "graph": {}}

    def peek(self) -> tuple[int, str, str]:
        """Return line, kind (word, text, mark, end) and content of the next token."""
        return self.tokens[min(self.next, len(self.tokens) - 1)]

    def take(self) -> tuple[int, str, str]:
        token = self.peek()
        self.next += 1
        return token

    def fail(self, expected: str) -> InputError:
        line, kind, content = self.peek()
        found = "the end" if kind == "end" else repr(content)
        return InputError(f"{self.path}:{line}: expected {expected}, found {found}")

    def skip(self, mark: str) -> bool:
        """Take the next token if it is ``mark``."""
        if self.peek()[1:] == ("mark", mark):
            self.next += 1
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.skip(mark):
            raise self.fail(f"{mark!r}")

    def word(self, expected: str) -> str:
        if self.peek()[1] not in ("word", "text"):
            raise self.fail(expected)
        return self.take()[2]

    def graph(self) -> str:
        """Read the whole file; return the graph's name, empty without one."""
        if self.peek()[1:] == ("word", "strict"):
            self.next += 1
        if self.peek()[1:] != ("word", "digraph"):
            raise self.fail("'digraph', a directed graph")
        self.next += 1
        name = "" if self.peek()[1:] == ("mark", "{") else self.word("the graph's name")
        self.need("{")
        while not self.skip("}"):
            if not self.skip(";"):
                self.statement()
        if self.peek()[1] != "end":
            raise self.fail("nothing behind the graph")
        return name

    def statement(self) -> None:
        line, kind, content = self.peek()
        if (kind, content) in (("word", "subgraph"), ("mark", "{")):
            raise InputError(f"{self.path}:{line}: subgraphs are not read; expected nodes, edges and attributes")
        if kind == "word" and content in self.defaults:
            self.next += 1
            self.defaults[content].update(self.attributes())
            return
        nodes = [self.word("a node")]
        if self.skip("="):
            self.word("a value")
            return
        while self.skip("->"):
            nodes.append(self.word("a node"))
        if self.peek()[1] == "mark" and self.peek()[2] in ("--", ":"):
            raise self.fail("'->', '[' or the next statement; undirected edges and ports are not read")
        given = self.attributes()
        for node in nodes:
            self.nodes.setdefault(node, dict(self.defaults["node"]))
        if len(nodes) == 1:
            self.nodes[nodes[0]].update(given)
        for pair in pairwise(nodes):
            if pair in self.edges:
                raise InputError(f"{self.path}:{line}: edge {pair[0]} -> {pair[1]} is given twice")
            self.edges[pair] = {**self.defaults["edge"], **given}

    def attributes(self) -> dict[str, tuple[int, str]]:
        given = {}
        while self.skip("["):
            while not self.skip("]"):
                line = self.peek()[0]
                key = self.word("an attribute, or ']'")
                self.need("=")
                given[key] = (line, self.word("a value"))
                if not self.skip(","):
                    self.skip(";")
        return given


def _tokens(path: Path, text: str) -> list[tuple[int, str, str]]:
    tokens, at, line = [], 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InputError(f"{path}:{line}: cannot read {text[at : at + 20].splitlines()[0]!r}; expected DOT")
        kind = str(match.lastgroup)
        if kind != "skip":
            content = match[kind]
            tokens.append((line, kind, content.replace('\\"', '"') if kind == "text" else content))
        line += match[0].count("\n")
        at = match.end()
    return [*tokens, (line, "end", "")]


def _number(text: str) -> float | None:
    """Return a text as a finite number of at least 0, None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _graph(
    path: Path,
    name: str,
    kernels: Sequence[str],
    edges: Sequence[tuple[int, int, int]],
    work: Sequence[float | None],
) -> TaskGraph:
    try:
        return TaskGraph(Application(name, tuple(kernels), tuple(edges), path.name), tuple(work))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{path}: is not UTF-8 text") from None
