"""``ganttlet data list | check``: outside instance sets, none of which is ever fetched."""

from __future__ import annotations

from dataclasses import dataclass

from ganttlet.core.data import data_path, data_root, data_set_digest
from ganttlet.core.family import DataSet, family_names, get_family
from ganttlet_agents.evaluation.tables import make_console, print_texts


@dataclass(frozen=True)
class List:
    """List the known outside instance sets: where they are looked for, origin, licence, digest."""

    def run(self) -> int:
        """Print them."""
        console = make_console()
        rows = [
            (
                family,
                entry.name,
                str(entry.count),
                entry.files,
                entry.origin,
                entry.licence,
                entry.sha256[:12],
            )
            for family, entry in _sets()
        ]
        titles = ("family", "set", "files", "under GANTTLET_DATA", "origin", "licence", "SHA-256")
        print_texts(console, "outside data", titles, rows)
        console.print(f"GANTTLET_DATA: {data_root()}", markup=False, soft_wrap=True)
        return 0


@dataclass(frozen=True)
class Check:
    """Compare the instance sets at hand with their known SHA-256; a set that is absent is no failure."""

    def run(self) -> int:
        """Print a line per set; the exit code is 1 if one differs."""
        differs = False
        for family, entry in _sets():
            verdict = check(entry)
            differs = differs or verdict.startswith("differs")
            print(f"{family} {entry.name}: {verdict}")
        print(f"GANTTLET_DATA: {data_root()}")
        return int(differs)


def check(entry: DataSet) -> str:
    """Return ``ok``, ``absent``, or ``differs`` with what was found and expected."""
    pattern = data_path(*entry.files.split("/"))
    count = len(list(pattern.parent.glob(pattern.name)))
    if not count:
        return f"absent ({pattern} matches no file)"
    if count != entry.count:
        return f"differs: {count} files match {pattern}, expected {entry.count}"
    found = data_set_digest(pattern.parent, pattern.name)
    if found != entry.sha256:
        return f"differs: SHA-256 {found}, expected {entry.sha256} ({pattern.parent})"
    return f"ok, {count} files"


def _sets() -> list[tuple[str, DataSet]]:
    return [(name, entry) for name in family_names() for entry in get_family(name).data_sets]
