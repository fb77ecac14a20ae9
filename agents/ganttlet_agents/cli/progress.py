"""How far a run is: a bar on a terminal, some lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.runner import OnRow, Plan
from ganttlet_agents.evaluation.tables import make_console

LINES = 10


@contextmanager
def progress_bar(plan: Plan) -> Iterator[OnRow]:
    """Show a bar on a terminal and some lines elsewhere; failures are told at once on both."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = make_console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = bar.add_task("starting", total=plan.n_rows)
    # A line for every instance would bury the failures of a large suite.
    share, done = max(1, plan.n_rows // LINES), 0

    def on_row(row: Row) -> None:
        nonlocal done
        done += 1
        bar.update(task, completed=done, description=f"{row.instance} {row.method}")
        if row.error is not None:
            line = f"failed: {row.instance} {row.objective} {row.method} seed {row.seed}: {row.error}"
            console.print(line, style="bold red", markup=False, soft_wrap=True)
        if not console.is_terminal and (done % share == 0 or done == plan.n_rows):
            console.print(f"{done}/{plan.n_rows} rows, now at {row.instance}", markup=False)

    with bar:
        yield on_row
