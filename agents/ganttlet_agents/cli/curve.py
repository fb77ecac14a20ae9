"""``ganttlet evaluate curve``: a paper's curves, measured again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ganttlet.core.errors import InputError, MissingExtraError, check_choice
from ganttlet.core.family import family_names
from ganttlet_agents.cli.evaluate import check_limits
from ganttlet_agents.cli.runs_of_curves import runs_of
from ganttlet_agents.config import config_names
from ganttlet_agents.distributed.backend import Backend, read_backend
from ganttlet_agents.distributed.connect import crew
from ganttlet_agents.evaluation.curves.load import KIND, load_curve
from ganttlet_agents.evaluation.curves.make import AbsentError, Made, Way, make
from ganttlet_agents.evaluation.curves.spec import Curve
from ganttlet_agents.evaluation.curves.words import summary
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.tables import make_console, print_texts

try:
    from tyro.conf import Positional, arg
except ImportError:
    raise MissingExtraError("tyro", "eval") from None

OUT = Path("results") / "curves"
QUICK_OUT = Path("results") / "curves-quick"


@dataclass(frozen=True)
class CurveCommand:
    """Measure curves of papers again: picture (PNG, SVG), points (CSV) and a text that says where ours agrees."""

    names: Positional[tuple[str, ...]] = ()
    """Curves by name (see `list`), or paths of .yaml files."""
    all: bool = False
    """All curves that come with the package; those whose outside data is absent are told and left out."""
    family: str | None = None
    """With --all: those of one family."""
    quick: bool = False
    """A budget of seconds a curve; lines whose trained policy is missing are drawn as not run."""
    out: Path | None = None
    """Folder of the files; results/curves, or results/curves-quick, by default."""
    log_folder: Annotated[Path, arg(aliases=["-f"])] = Path("runs")
    """Folder of the training runs that curves name; missing ones are trained, unless --quick is given."""
    jobs: int | None = None
    """Number of processes that rows are spread over; by default 1, or the cluster's cores on Ray."""
    backend: str = "local"
    """Whose processes: local; ray, a cluster of this machine alone; ray:HOST:PORT, the head of a running cluster."""
    timeout: float | None = None
    """Seconds after which a row has failed; none: no limit."""
    resume: bool = False
    """Keep the rows that an interrupted run of the same curve left in its folder."""

    def run(self) -> int:
        """Make them, print what agrees; 1 if a row failed."""
        check_limits(self.jobs, self.timeout)
        curves, backend = self._curves(), read_backend(self.backend)
        with crew(backend, self.jobs) as jobs:
            return self._run(curves, jobs, backend)

    def _run(self, curves: Sequence[Curve], jobs: int, backend: Backend) -> int:
        console = make_console()
        out = self.out or (QUICK_OUT if self.quick else OUT)
        made, absent = [], []
        for curve in curves:
            try:
                made.append(self._make(curve, out, jobs, backend))
            except AbsentError as error:
                if not self.all:
                    raise
                absent.append((curve.name, str(error)))
                console.print(f"{curve.name}: not run: {error}", markup=False, soft_wrap=True)
        print_texts(
            console,
            "curves",
            ("curve", "seconds", "properties", "order", "failed rows", "files"),
            [_row(one) for one in made],
        )
        if absent:
            print_texts(console, "not run", ("curve", "why"), absent)
        return int(any(one.failed for one in made))

    def _curves(self) -> list[Curve]:
        if self.all == bool(self.names):
            raise InputError(f"expected names of curves or --all; known: {', '.join(config_names(KIND))}")
        if self.family is not None:
            if not self.all:
                raise InputError("--family needs --all")
            check_choice("--family", self.family, family_names())
        found = [load_curve(name) for name in (config_names(KIND) if self.all else self.names)]
        return [curve for curve in found if self.family in (None, curve.family)]

    def _make(self, curve: Curve, out: Path, jobs: int, backend: Backend) -> Made:
        console = make_console(stderr=True)

        def tell(text: str) -> None:
            console.print(f"{curve.name}: {text}", markup=False, soft_wrap=True)

        def on_row(row: Row) -> None:
            if row.error is not None:
                tell(f"failed: {row.instance} {row.method} seed {row.seed}: {row.error}")

        budget = "--quick" if self.quick else ""
        name = curve.name if curve.name in config_names(KIND) else curve.file
        command = " ".join(["python evaluate.py curve", name, budget]).strip()
        runs = runs_of(curve, self.log_folder, self.quick, tell)
        way = Way(out, command, on_row, jobs, self.timeout, self.resume, backend)
        made = make(curve, self.quick, runs, way)
        tell(f"{made.seconds:.1f} s, {made.files['png']}")
        for line in summary(curve, made.agreement):
            tell(line)
        return made


def _row(made: Made) -> Sequence[str]:
    judged = [one.ours.holds for one in made.agreement.tested if one.ours is not None]
    pairs, agreed = (sum(getattr(order, name) for order in made.agreement.orders) for name in ("pairs", "agreed"))
    return (
        made.name,
        f"{made.seconds:.1f}",
        f"{sum(judged)}/{len(judged)}"
        + (f" of {len(made.agreement.tested)}" if len(judged) < len(made.agreement.tested) else ""),
        f"{agreed}/{pairs}" if pairs else "–",
        str(len(made.failed)),
        made.files["png"].with_suffix(".*").as_posix(),
    )
