"""What a network's weights depend on: names of features, edges and action segments, and no counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.graph import GraphSpec

CONTEXT = "context"
KINDS = ("list", "pointer", "dense")


@dataclass(frozen=True)
class Edge:
    """An edge type: ends, kind (list, pointer or dense) and number of features."""

    name: str
    source: str
    target: str
    kind: str
    features: int


@dataclass(frozen=True)
class Segment:
    """A piece of the action space: what it points at, and the logits of each item."""

    over: str
    logits: int


class Schema:
    """``GraphSpec.schema()`` as a network reads it.

    Args:
        data: the mapping that ``GraphSpec.schema()`` returns, or its copy from a checkpoint.

    Attributes:
        nodes: node type -> number of features, static ones included.
        edges, segments: in the order of the GraphSpec.
        context: number of context features.
        focus: focus name -> node type.
        phases: names of the phases.
        pictures: picture -> number of channels.
        digest: equal to ``GraphSpec.digest``.

    Raises:
        InputError: if the data is malformed, naming the field.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        try:
            self.data = json.loads(json.dumps(data))
            self.nodes = {
                name: _count(node["features"]) + _count(node["static_features"])
                for name, node in self.data["nodes"].items()
            }
            self.edges = tuple(
                Edge(name, edge["source"], edge["target"], edge["kind"], _count(edge["features"]))
                for name, edge in self.data["edges"].items()
            )
            self.context = _count(self.data["context"])
            self.focus: dict[str, str] = dict(self.data["focus"])
            self.phases: tuple[str, ...] = tuple(self.data["phases"])
            self.segments = tuple(Segment(over, logits) for over, logits, _ in self.data["segments"])
            self.pictures = {name: _count(channels) for name, channels in self.data.get("pictures", {}).items()}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InputError(f"schema: cannot be read ({type(error).__name__}: {error})") from None
        self._check()

    def _check(self) -> None:
        for edge in self.edges:
            check_choice(f"schema: edges.{edge.name}.kind", edge.kind, KINDS)
            for end in (edge.source, edge.target):
                check_choice(f"schema: edges.{edge.name}: node type", end, self.nodes)
        for name, target in self.focus.items():
            check_choice(f"schema: focus.{name}", target, self.nodes)
        for segment in self.segments:
            known = [*self.nodes, *(edge.name for edge in self.edges), CONTEXT]
            check_choice("schema: segments: over", segment.over, known)
            if isinstance(segment.logits, bool) or not isinstance(segment.logits, int) or segment.logits < 1:
                raise InputError(
                    f"schema: segments: {segment.over!r}: expected at least 1 logit, got {segment.logits!r}"
                )

    @classmethod
    def of(cls, graph: GraphSpec) -> Schema:
        """Return the schema of an environment's GraphSpec."""
        return cls(graph.schema())

    @property
    def digest(self) -> str:
        """A short hash, as ``GraphSpec.digest``."""
        return hashlib.sha256(json.dumps(self.data, sort_keys=True).encode()).hexdigest()[:16]

    def edge(self, name: str) -> Edge | None:
        """Return the edge type called ``name``, if there is one."""
        return next((edge for edge in self.edges if edge.name == name), None)

    def columns(self, name: str) -> list[str]:
        """Return the feature names of a node type, the static ones behind the others, as networks read them."""
        node = self.data["nodes"][name]
        return [*node["features"], *node["static_features"]]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Node types that actions point at (through an edge, too); all node types if none does."""
        found = [name for name in self.nodes if name in {segment.over for segment in self.segments}]
        for segment in self.segments:
            edge = self.edge(segment.over)
            found += [edge.source, edge.target] if edge else []
        return tuple(dict.fromkeys(found)) or tuple(self.nodes)

    def difference(self, other: Schema) -> str | None:
        """Return a sentence on the first field in which ``other`` differs, None if it does not."""
        return _difference(self.data, other.data, "")


def _count(names: Any) -> int:
    """Return how many feature names there are."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"expected a list of feature names, got {names!r}")
    return len(names)


def _difference(mine: Any, theirs: Any, where: str) -> str | None:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in [*mine, *(key for key in theirs if key not in mine)]:
            path = f"{where}.{key}".lstrip(".")
            if key not in theirs or key not in mine:
                return f"{path}: {'missing' if key not in theirs else 'unexpected'}"
            found = _difference(mine[key], theirs[key], path)
            if found:
                return found
        return None
    if mine == theirs:
        return None
    if isinstance(mine, list) and isinstance(theirs, list):
        lacking, extra = [x for x in mine if x not in theirs], [x for x in theirs if x not in mine]
        parts = [
            f"{word} {', '.join(map(str, some))}" for word, some in (("without", lacking), ("with", extra)) if some
        ]
        return f"{where}: {'; '.join(parts) or 'in another order'}"
    return f"{where}: expected {mine!r}, got {theirs!r}"
