"""Generator ``tiled``: the task graphs of tiled Cholesky, LU and QR factorisation on CPUs and GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.draws import SOURCE, SYSTEM, once_or_stream
from ganttlet.soc_dag.instance import MOST_PES, Workload
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.sampling import Generator, plain_cluster, plain_platform
from ganttlet.soc_dag.scenario import Scenario

# factorisation -> kernel -> (time on a CPU, time on a GPU), in one unit that is not stated; see TiledGenerator.
TIMES: Mapping[str, Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        "cholesky": {"POTRF": (18, 11), "SYRK": (57, 2), "TRSM": (52, 8), "GEMM": (95, 3)},
        "lu": {"GETRF": (18, 11), "TRSM": (52, 8), "GEMM": (95, 3)},
        "qr": {"GEQRT": (72, 44), "TSQRT": (108, 66), "UNMQR": (104, 16), "TSMQR": (190, 6)},
    }
)
MOST_TILES = 24
_KIND, _TILES, _CPUS, _GPUS, _TRANSFER = range(5)
Tile = tuple[str, int, int]
Call = tuple[str, tuple[Tile, ...], tuple[Tile, ...]]  # kernel, tiles it reads only, tiles it reads and writes


class TiledGenerator(Generator):
    """Factorisations of a matrix of n × n tiles; for the keys see ``make_generator`` of the module ``generator``.

    Tasks are numbered in the order of the sequential algorithm (right-looking, no pivoting, QR with a flat tree); an
    edge leads from the last task that wrote a tile to each that takes it, with ``transfer`` ticks of data per tile.

    Times of Cholesky are those of Grinsztajn et al., READYS, IEEE CLUSTER 2021. Its code gives 18, 95, 52, 52 on a CPU
    and 11, 3, 8, 8 on a GPU for LU, in an order of kernels that is not certain: here 95 / 3 is GEMM and 52 / 8 both
    TRSM, as in Cholesky. Times of QR are ours: Cholesky's in proportion to the floating-point operations on a tile
    (GEQRT 4 and TSQRT 6 times POTRF, UNMQR 2 times TRSM, TSMQR 2 times GEMM; counts of Buttari et al., Parallel
    Computing 2009). Power figures are ours too.
    """

    name = "tiled"
    keys = ("kind", "tiles", "cpus", "gpus", "transfer", "resolution", *SOURCE, *SYSTEM)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._spans = (
            self.choices("kind", "cholesky", TIMES),
            self.numbers("tiles", 4, 1, MOST_TILES),
            self.numbers("cpus", 2, 0, MOST_PES),
            self.numbers("gpus", 2, 0, MOST_PES),
            self.numbers("transfer", 0, 0, 100_000),
        )
        resolution = self.numbers("resolution", 1, 1, 1000)
        if len(resolution.ends) > 1:
            raise self.fail("resolution", "one integer, as it is the unit of all times")
        self._resolution = int(resolution.ends[0])
        cpus, gpus = self._spans[_CPUS], self._spans[_GPUS]
        if cpus.least + gpus.least < 1:
            raise self.fail("cpus", "at least 1 where 'gpus' may be 0")
        if cpus.most + gpus.most > MOST_PES:
            raise self.fail("cpus", f"at most {MOST_PES} together with 'gpus'")
        self._draws, self._open = once_or_stream(self, 1)
        self._draws.check(self._open)
        largest = [application(kind, self._spans[_TILES].most) for kind in self._spans[_KIND].ends]
        self.sizes = Sizes(
            1,
            max(app.n_tasks for app in largest),
            max(1, *(len(app.edges) for app in largest)),
            int(cpus.most + gpus.most),
            2 if cpus.most and gpus.most else 1,
            self._draws.most_slots(self._open),
            self._draws.most_jobs(self._open),
            max(1, len(self._open.trace)),
            max(1, 2 * self._draws.most_outages),
        )

    def draw(self, key: Any, suffix: str) -> Workload:
        """Return the instance of ``key``."""
        kind, tiles, cpus, gpus, transfer = (span.draw(key, slot) for slot, span in enumerate(self._spans))
        clusters = plain_cluster("CPU", cpus), plain_cluster("GPU", gpus, "accelerator")
        app = application(kind, tiles, transfer)
        times = {kernel: [float(time * self._resolution) for time in row] for kernel, row in TIMES[kind].items()}
        platform = plain_platform(f"{cpus}cpu-{gpus}gpu", clusters, {app.name: times}, "generator 'tiled'")
        workload = Workload.build(platform, (app,), Scenario())
        return self._draws.apply(workload, self._open, key, f"tiled-{kind}-{tiles}x{cpus}+{gpus}-{suffix}")


def application(kind: str, tiles: int, transfer: int = 0) -> Application:
    """Return the task graph of a factorisation (``cholesky``, ``lu``, ``qr``) with ``transfer`` as volume per tile."""
    writer: dict[Tile, int] = {}
    volumes: dict[tuple[int, int], int] = {}
    kernels = []
    for task, (kernel, reads, writes) in enumerate(_CALLS[kind](tiles)):
        kernels.append(kernel)
        for tile in (*reads, *writes):
            if tile in writer:
                pair = writer[tile], task
                volumes[pair] = volumes.get(pair, 0) + transfer
        writer |= dict.fromkeys(writes, task)
    edges = tuple((source, target, volume) for (source, target), volume in sorted(volumes.items()))
    return Application(f"{kind}_{tiles}", tuple(kernels), edges, "generator 'tiled'")


def _cholesky(n: int) -> Iterator[Call]:
    for k in range(n):
        yield "POTRF", (), (("A", k, k),)
        for i in range(k + 1, n):
            yield "TRSM", (("A", k, k),), (("A", i, k),)
        for i in range(k + 1, n):
            yield "SYRK", (("A", i, k),), (("A", i, i),)
            for j in range(k + 1, i):
                yield "GEMM", (("A", i, k), ("A", j, k)), (("A", i, j),)


def _lu(n: int) -> Iterator[Call]:
    for k in range(n):
        yield "GETRF", (), (("A", k, k),)
        for j in range(k + 1, n):
            yield "TRSM", (("A", k, k),), (("A", k, j),)
        for i in range(k + 1, n):
            yield "TRSM", (("A", k, k),), (("A", i, k),)
        for i in range(k + 1, n):
            for j in range(k + 1, n):
                yield "GEMM", (("A", i, k), ("A", k, j)), (("A", i, j),)


def _qr(n: int) -> Iterator[Call]:
    # The reflectors of a panel, "V", lie below the diagonal of the tile whose upper part, "A", later kernels change.
    for k in range(n):
        yield "GEQRT", (), (("A", k, k), ("V", k, k))
        for j in range(k + 1, n):
            yield "UNMQR", (("V", k, k),), (("A", k, j),)
        for i in range(k + 1, n):
            yield "TSQRT", (), (("A", k, k), ("A", i, k))
            for j in range(k + 1, n):
                yield "TSMQR", (("A", i, k),), (("A", k, j), ("A", i, j))


_CALLS = MappingProxyType({"cholesky": _cholesky, "lu": _lu, "qr": _qr})
