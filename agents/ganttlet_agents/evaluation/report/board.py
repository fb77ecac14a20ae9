"""Ranks over several result folders: only methods on the same instances are ever compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.results import Results
from ganttlet_agents.evaluation.rows import Row, difference_of, gap_of
from ganttlet_agents.evaluation.statistics import Estimate, Paired, estimate, paired
from ganttlet_agents.evaluation.summary import Metric, per_instance


@dataclass(frozen=True)
class Place:
    """A method of one folder in a board.

    Fields:
        method, folder: its label, and the number of its folder.
        rank: 1 for the best mean, equal for equal means; None for clairvoyant methods, and for those that failed.
        information: ``causal`` or ``clairvoyant``.
        mean: the board's metric over its instances, None if a row failed. Gaps are fractions.
        behind: comparison with the first of the board, None for the first and where there is no mean.
        valid, rows: numbers of valid rows and of all on the board's instances.
        others: number of further instances that the method was run on.
        seconds: mean wall time per row in seconds.
        commit, version, device: what its rows say; several, joined, where they differ.
    """

    method: str
    folder: int
    rank: int | None
    information: str
    mean: Estimate | None
    behind: Paired | None
    valid: int
    rows: int
    others: int
    seconds: float
    commit: str
    version: str
    device: str


@dataclass(frozen=True)
class Board:
    """Methods of one family under one objective that all met the same instances.

    Fields:
        family, objective, sense: what is judged.
        suites: names of the suites whose folders name exactly these instances.
        metric: ``gap`` where there is a reference, otherwise ``value``.
        instances: number of instances.
        compared: number of instances over which means are taken; fewer where a gap is undefined.
        reference: what gaps are measured against, as the suites state it.
        references: kind of reference -> number of instances that have it.
        disputed: number of instances on which folders name different references; the best of them is used.
        places: by rank, then those without one.
        partial: (method, folder, shared instances) of methods that met only some of the instances.
    """

    family: str
    objective: str
    sense: str
    suites: list[str]
    metric: Metric
    instances: int
    compared: int
    reference: str
    references: dict[str, int]
    disputed: int
    places: list[Place]
    partial: list[tuple[str, int, int]]

    @property
    def first(self) -> list[Place]:
        """The places of rank 1."""
        return [place for place in self.places if place.rank == 1]


@dataclass(frozen=True)
class _Names:
    """What the folders of a board call it."""

    family: str
    objective: str
    suites: list[str]
    reference: str


def boards_of(folders: Sequence[Results]) -> list[Board]:
    """Return the boards: per family and objective one for each set of instances that a folder names.

    A method that met more instances than a board has stands on it with its rows of the board's instances alone.
    """
    entries: dict[tuple[str, str], dict[tuple[str, int], list[Row]]] = {}
    for number, results in enumerate(folders):
        for row in results.rows:
            own = entries.setdefault((row.family, row.objective), {})
            own.setdefault((row.method, number), []).append(row)
    boards = []
    for (family, objective), own in entries.items():
        sets: dict[frozenset[str], list[int]] = {}
        for number in dict.fromkeys(number for _, number in own):
            met = frozenset(row.digest for (_, at), rows in own.items() if at == number for row in rows)
            sets.setdefault(met, []).append(number)
        for instances, numbers in sets.items():
            suites = [folders[number].meta["suite"] for number in numbers]
            names, references = (
                list(dict.fromkeys(str(suite[key]) for suite in suites)) for key in ("name", "reference")
            )
            boards.append(_board(_Names(family, objective, names, ", ".join(references)), instances, own))
    families = list(dict.fromkeys(board.family for board in boards))
    return sorted(boards, key=lambda board: families.index(board.family))


def _board(names: _Names, instances: frozenset[str], entries: Mapping[tuple[str, int], list[Row]]) -> Board:
    inside: dict[tuple[str, int], list[Row]] = {}
    partial = []
    for (method, number), rows in entries.items():
        shared = {row.digest for row in rows} & instances
        if shared == instances:
            inside[method, number] = [row for row in rows if row.digest in instances]
        elif shared:
            partial.append((method, number, len(shared)))
    sense = get_family(names.family).objectives[names.objective].sense
    references, disputed = common_references([row for rows in inside.values() for row in rows])
    inside = {key: [_measured(row, references) for row in rows] for key, rows in inside.items()}
    whole = {key: rows for key, rows in inside.items() if all(row.value is not None for row in rows)}
    undefined = {row.digest for rows in whole.values() for row in rows if row.gap is None}
    compared = instances - undefined
    metric: Metric = "gap" if compared else "value"
    compared = compared or instances
    sign = -1.0 if metric == "value" and sense == "max" else 1.0
    # Every method's instances in one order, so that equal rows have equal means.
    order = [digest for digest in dict.fromkeys(row.digest for rows in whole.values() for row in rows)]
    scores = {
        key: _values(rows, metric, [digest for digest in order if digest in compared]) for key, rows in whole.items()
    }
    means = {key: estimate(values, groups=_groups(whole[key])) for key, values in scores.items()}
    ranked = [key for key in whole if whole[key][0].information == "causal"]
    ranks = {key: 1 + sum(sign * means[other].value < sign * means[key].value for other in ranked) for key in ranked}
    first = next((key for key in ranked if ranks[key] == 1), None)
    places = []
    for key, rows in inside.items():
        behind = None
        if first is not None and key in scores and key != first:
            flipped = {side: {d: [sign * v for v in vs] for d, vs in scores[side].items()} for side in (key, first)}
            behind = paired(flipped[key], flipped[first], groups=_groups(rows))
        place = Place(
            method=key[0],
            folder=key[1],
            rank=ranks.get(key),
            information=rows[0].information,
            mean=means.get(key),
            behind=behind,
            valid=sum(row.feasible for row in rows),
            rows=len(rows),
            others=len({row.digest for row in entries[key]}) - len(instances),
            seconds=sum(row.seconds for row in rows) / len(rows),
            commit=_joined((row.commit or "unknown")[:10] + _changes(row.commit) for row in rows),
            version=_joined(row.version for row in rows),
            device=_joined(row.device for row in rows),
        )
        places.append(place)
    places.sort(key=lambda place: (place.rank is None, place.rank or 0, place.mean is None))
    kinds = {row.digest: row.reference_kind for rows in inside.values() for row in rows}
    return Board(
        family=names.family,
        objective=names.objective,
        sense=sense,
        suites=names.suites,
        metric=metric,
        instances=len(instances),
        compared=len(compared),
        reference=names.reference,
        references=dict(Counter(kinds.values())),
        disputed=len(disputed),
        places=places,
        partial=partial,
    )


def common_references(rows: Iterable[Row]) -> tuple[dict[str, float], set[str]]:
    """Return digest -> the best reference that any row names, and the digests on which rows name different ones."""
    found: dict[str, float] = {}
    disputed = set()
    for row in rows:
        if row.reference is not None:
            known = found.setdefault(row.digest, row.reference)
            if known != row.reference:
                disputed.add(row.digest)
                if difference_of(row.reference, known, row.sense) < 0:
                    found[row.digest] = row.reference
    return found, disputed


def _measured(row: Row, references: Mapping[str, float]) -> Row:
    """Return a row with its gap to the common reference."""
    reference = references.get(row.digest)
    if row.value is None or reference is None:
        return replace(row, gap=None)
    return replace(row, gap=gap_of(row.value, reference, row.sense))


def _values(rows: Sequence[Row], metric: Metric, order: Sequence[str]) -> dict[str, list[float]]:
    found = per_instance(rows, metric)
    return {digest: found[digest] for digest in order}


def _groups(rows: Sequence[Row]) -> dict[str, str]:
    return {row.digest: row.group for row in rows}


def _changes(commit: str | None) -> str:
    return "+changes" if commit is not None and commit.endswith("+changes") else ""


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
