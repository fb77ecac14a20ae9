"""Text files of the DS3 simulators: job files become Applications, SoC (resource) files become Platforms.

The formats are those that segemena/DS3 (056c930) and EpiSci/SoCRATES (e246978) read; their own comments state them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.formats import LARGEST, cluster_kind, operating_point
from ganttlet.soc_dag.platform import Cluster, Platform

MEMORY = "MEM"
# Throttling, power gating and the volumes in bits take no part in the simulation.
_UNUSED = ("trip_freq", "DTPM_trip_freq", "PG_profile")


class Line:
    """One line of a file: its words, and the errors that name it."""

    def __init__(self, path: Path, number: int, words: list[str]) -> None:
        self.path, self.number, self.words = path, number, words

    def fail(self, message: str) -> InputError:
        """Return the error that names file and line."""
        return InputError(f"{self.path}:{self.number}: {message}")

    def integer(self, at: int, what: str, least: int = 0) -> int:
        """Return word ``at`` as an integer of at least ``least``."""
        word = self.words[at] if at < len(self.words) else "(nothing)"
        try:
            value = int(word)
        except ValueError:
            raise self.fail(f"{what}: expected an integer, found {word!r}") from None
        if not least <= value < LARGEST:
            raise self.fail(f"{what} is {value}; expected at least {least}, and less than 2**62")
        return value

    def number_at(self, at: int, what: str) -> float:
        """Return word ``at`` as a finite number of at least 0."""
        word = self.words[at] if at < len(self.words) else "(nothing)"
        try:
            value = float(word)
        except ValueError:
            raise self.fail(f"{what}: expected a number, found {word!r}") from None
        if not math.isfinite(value) or value < 0:
            raise self.fail(f"{what} is {word}; expected a finite number of at least 0")
        return value

    def exactly(self, count: int, form: str) -> None:
        """Check the number of words."""
        if len(self.words) != count:
            raise self.fail(f"expected '{form}', found {' '.join(self.words)!r}")


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a text file that are neither empty nor comments (#)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{path}: is not UTF-8 text") from None
    lines = [Line(path, number, words.split()) for number, words in enumerate(text.splitlines(), 1)]
    return [line for line in lines if line.words and not line.words[0].startswith("#")]


def read_job(path: str | Path) -> Application:
    """Read a job file; its tasks' names are the kernels.

    ``earliest_start`` must be 0. ``deadline``, ``input_vol`` and ``output_vol`` are not used, as in the simulators;
    HEAD and TAIL follow from the predecessors. A dependency without ``comm_vol`` has volume 0.

    Raises:
        InputError: naming file and line.
    """
    path = Path(path)
    job = _Job()
    for line in read_lines(path):
        job.take(line)
    if job.name is None or not job.kernels:
        raise InputError(f"{path}: expected 'job_name' and 'add_new_tasks', each with what belongs to it")
    if len(job.kernels) < job.expected:
        raise InputError(f"{path}: announces {job.expected} tasks, but lists {len(job.kernels)}")
    edges = []
    for task, (line, sources) in enumerate(job.sources):
        for source in sources:
            if source >= job.expected:
                raise line.fail(f"predecessor {source}; expected tasks 0 … {job.expected - 1}")
            edges.append((source, task, job.volumes.pop((source, task), (line, 0))[1]))
    for (source, target), (line, _) in job.volumes.items():
        raise line.fail(f"comm_vol {source} {target}: task {target} does not list {source} among its predecessors")
    try:
        return Application(job.name, tuple(job.kernels), tuple(sorted(edges)), path.name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


@dataclass
class _Job:
    """What a job file has said so far."""

    name: str | None = None
    expected: int = 0
    kernels: list[str] = field(default_factory=list)
    sources: list[tuple[Line, list[int]]] = field(default_factory=list)
    volumes: dict[tuple[int, int], tuple[Line, int]] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """Read one line."""
        words = line.words
        if words[0] == "job_name":
            line.exactly(2, "job_name NAME")
            if self.name is not None:
                raise line.fail("a second 'job_name'; expected one job per file")
            self.name = words[1]
        elif words[0] == "add_new_tasks":
            line.exactly(2, "add_new_tasks COUNT")
            if self.expected:
                raise line.fail("a second 'add_new_tasks'; expected one")
            self.expected = line.integer(1, "number of tasks", 1)
        elif words[0] == "comm_vol":
            line.exactly(4, "comm_vol SOURCE TARGET VOLUME")
            pair = (line.integer(1, "source"), line.integer(2, "target"))
            if pair in self.volumes:
                raise line.fail(f"comm_vol {pair[0]} {pair[1]} is given twice")
            self.volumes[pair] = (line, line.integer(3, "volume"))
        elif len(words) > 1 and words[1] in ("HEAD", "TAIL", "earliest_start"):
            self._attribute(line)
        else:
            self._task(line)

    def _attribute(self, line: Line) -> None:
        words = line.words
        if not self.kernels or words[0] != self.kernels[-1]:
            raise line.fail(f"{words[1]!r} of {words[0]!r} does not follow that task")
        if words[1] != "earliest_start":
            line.exactly(2, "NAME HEAD, or NAME TAIL")
            return
        form = "NAME earliest_start 0 deadline TIME [input_vol BITS output_vol BITS]"
        keys = words[1::2]
        if keys not in (["earliest_start", "deadline"], ["earliest_start", "deadline", "input_vol", "output_vol"]):
            raise line.fail(f"expected '{form}', found {' '.join(words)!r}")
        if line.number_at(2, "earliest_start") > 0:
            raise line.fail(f"earliest_start is {words[2]}; only 0 is simulated")
        for at in range(4, len(words) + len(words) % 2, 2):
            line.number_at(at, words[at - 1])

    def _task(self, line: Line) -> None:
        if len(self.kernels) >= self.expected:
            known = "job_name, add_new_tasks, comm_vol"
            more = f"task {len(self.kernels)} of {self.expected} announced by add_new_tasks"
            raise line.fail(f"{line.words[0]!r}: expected {known}; as a task it would be {more}")
        number = line.integer(1, "number of the task")
        if number != len(self.kernels):
            raise line.fail(f"task {number}; expected task {len(self.kernels)}, tasks in rising order")
        sources = [line.integer(at, "predecessor") for at in range(2, len(line.words))]
        if len(set(sources)) < len(sources):
            raise line.fail("a predecessor is listed twice")
        self.kernels.append(line.words[0])
        self.sources.append((line, sources))


def read_soc(path: str | Path, name: str | None = None) -> Platform:
    """Read a SoC (resource) file; its kernels' times serve every application.

    Both forms are read: ``add_new_resource resource_type T resource_name N resource_ID i capacity c
    num_supported_functionalities k DVFS_mode m``, and the words without their keys, the mode optional. As in the
    simulators the first of two entries of one kernel counts, a pair without ``comm_band`` has bandwidth 1, and each is
    read both ways. Figures behind a kernel's time are not used: SoCRATES has a power there that repeats the time.
    Without ``comm_band_self`` the bandwidth within a PE is that within its cluster, the same for all clusters.

    Args:
        path: the file.
        name: the platform's; None: the file's stem.

    Raises:
        InputError: naming file and line.
    """
    path = Path(path)
    resources: list[_Resource] = []
    bands: dict[tuple[int, int], tuple[Line, int]] = {}
    same_pe: int | None = None
    for line in read_lines(path):
        key = line.words[0]
        if key == "add_new_resource":
            resources.append(_resource(line, len(resources)))
        elif key == "comm_band_self":
            line.exactly(2, "comm_band_self BANDWIDTH")
            same_pe = line.integer(1, "bandwidth", 1)
        elif key == "comm_band":
            line.exactly(4, "comm_band SOURCE TARGET BANDWIDTH")
            first, second = sorted((line.integer(1, "source"), line.integer(2, "target")))
            bands[first, second] = (line, line.integer(3, "bandwidth"))
        elif not resources:
            raise line.fail(f"{key!r}: expected add_new_resource first")
        else:
            resources[-1].take(line)
    for resource in resources:
        if resource.functions != resource.expected:
            raise resource.line.fail(
                f"resource {resource.name!r} announces {resource.expected} functionalities, but lists "
                f"{resource.functions}"
            )
    return _platform(path, name or path.stem, resources, bands, same_pe)


@dataclass
class _Resource:
    """What a SoC file says of one resource."""

    line: Line
    kind: str
    name: str
    count: int
    expected: int
    governor: str
    functions: int = 0
    times: dict[str, float] = field(default_factory=dict)
    points: list[tuple[int, int]] = field(default_factory=list)
    power: dict[int, tuple[float, ...]] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """Read a line that belongs to the resource."""
        key = line.words[0]
        if key == "opp":
            line.exactly(3, "opp MHZ MILLIVOLT")
            self.points.append((line.integer(1, "frequency", 1), line.integer(2, "voltage", 1)))
        elif key == "power_profile":
            watts = tuple(line.number_at(at, "power") for at in range(2, len(line.words)))
            if len(watts) < self.count:
                raise line.fail(f"{len(watts)} figures of power; expected one for each of 1 … {self.count} busy PEs")
            self.power[line.integer(1, "frequency", 1)] = watts
        elif key not in _UNUSED:
            if self.functions >= self.expected:
                raise line.fail(
                    f"{key!r}: resource {self.name!r} announces {self.expected} functionalities, and this is one more"
                )
            self.functions += 1
            self.times.setdefault(key, line.number_at(1, f"time of {key!r}"))

    def cluster(self) -> Cluster:
        """Return the cluster it makes."""
        points = tuple(sorted(self.points))
        kind = cluster_kind(self.kind, f"{self.line.path}:{self.line.number}: resource_type")
        mhz = operating_point(self.governor, points, f"{self.line.path}:{self.line.number}: DVFS_mode")
        return Cluster(self.name, self.count, kind, points, self.power, mhz)


def _resource(line: Line, number: int) -> _Resource:
    words = line.words[1:]
    if len(words) in (10, 12):
        words = words[1::2]
    if len(words) not in (5, 6):
        raise line.fail(
            "expected 'add_new_resource TYPE NAME ID CAPACITY FUNCTIONALITIES [MODE]', each with its key or none"
        )
    plain = Line(line.path, line.number, words)
    if plain.integer(2, "resource_ID") != number:
        raise line.fail(f"resource_ID {words[2]}; expected {number}, resources in rising order")
    mode = words[5] if len(words) == 6 else "performance"
    return _Resource(
        line, words[0], words[1], plain.integer(3, "capacity", 1), plain.integer(4, "functionalities"), mode
    )


def _platform(
    path: Path,
    name: str,
    resources: Sequence[_Resource],
    bands: dict[tuple[int, int], tuple[Line, int]],
    same_pe: int | None,
) -> Platform:
    memory = [number for number, one in enumerate(resources) if one.kind == MEMORY]
    n = len(resources) - len(memory)
    if not n or memory not in ([], [n]):
        raise InputError(f"{path}: expected resources with PEs, and at most one of type {MEMORY}, which comes last")
    for (first, second), (line, value) in bands.items():
        if second >= len(resources):
            raise line.fail(f"comm_band names resource {second}; expected 0 … {len(resources) - 1}")
        if value < 1 and (first, second) != (n, n):
            raise line.fail(f"bandwidth is {value}; expected at least 1")
    band = {pair: value for pair, (_, value) in bands.items()}
    if same_pe is None:
        within = {band.get((one, one), 1) for one in range(n)}
        if len(within) > 1:
            raise InputError(
                f"{path}: expected 'comm_band_self BANDWIDTH', as bandwidths within clusters differ: {sorted(within)}"
            )
        same_pe = within.pop()
    clusters = [one.cluster() for one in resources[:n]]
    kernels = dict.fromkeys(kernel for one in resources[:n] for kernel in one.times)
    try:
        return Platform(
            name=name,
            clusters=tuple(clusters),
            bandwidth=tuple(tuple(band.get((min(i, j), max(i, j)), 1) for j in range(n)) for i in range(n)),
            bandwidth_same_pe=same_pe,
            times={"*": {kernel: tuple(one.times.get(kernel) for one in resources[:n]) for kernel in kernels}},
            bandwidth_to_memory=tuple(band.get((one, n), 1) for one in range(n)) if memory else None,
            source=path.name,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
