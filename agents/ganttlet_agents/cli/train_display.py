"""How far training is: a bar, or a line for each validation, of one run or of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ganttlet_agents.evaluation.tables import make_console

OnNamed = Callable[[str, Any], None]


@contextmanager
def show_runs(bar: bool, names: Sequence[str]) -> Iterator[OnNamed]:
    """Yield what is called with a run's name and its status; a name of "" is not shown."""
    console = make_console(stderr=True)
    if not bar:

        def tell(name: str, status: Any) -> None:
            if status.verdict:
                console.print(f"{name}  {_line(status)}" if name else _line(status), markup=False, soft_wrap=True)

        yield tell
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns: Sequence[Any] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[speed]} steps/s"),
        TextColumn("{task.fields[score]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks = {name: progress.add_task(f"{name} starting".strip(), total=1.0, speed="-", score="") for name in names}

        def show(name: str, status: Any) -> None:
            score = "" if status.score is None else f"validation {status.score:+.4g}"
            speed, text = f"{status.steps_per_s:,.0f}", f"{name} {status.stage}".strip()
            progress.update(tasks[name], completed=status.spent, description=text, speed=speed, score=score)

        yield show


def _line(status: Any) -> str:
    verdict = status.verdict
    judged = f"gap {100 * verdict.gap:+.2f} %" if verdict.gap is not None else f"value {verdict.value:.6g}"
    left = status.seconds * (1.0 - status.spent) / max(status.spent, 1e-9)
    return (
        f"{status.total:>10,} decisions  {status.seconds:7.1f} s  {status.steps_per_s:8,.0f}/s  "
        f"{status.stage:<14}  {judged}  {left:6.0f} s left"
    )
