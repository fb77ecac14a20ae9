"""GraphSpec: one description of what an environment shows, from which spaces, buffers and policy heads follow."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from ganttlet.core.errors import InputError, check_choice

EdgeKind = Literal["list", "pointer", "dense"]


@dataclass(frozen=True)
class Feature:
    """One column: its finite range (values are clipped to it in the kernel) and what it means, with its unit."""

    name: str
    low: float
    high: float
    about: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.low) or not math.isfinite(self.high) or self.low >= self.high:
            raise InputError(f"feature {self.name!r}: expected finite low < high, got {self.low} … {self.high}")


@dataclass(frozen=True)
class NodeType:
    """A kind of node, padded to ``count``.

    Fields:
        features: columns that may change within an episode, shown as ``<name>`` (count, F).
        static_features: columns fixed within an episode, shown as ``<name>_static`` (count, S).
        fixed: True if ``<name>_mask`` cannot change within an episode.
    """

    name: str
    count: int
    features: tuple[Feature, ...] = ()
    static_features: tuple[Feature, ...] = ()
    fixed: bool = False


@dataclass(frozen=True)
class EdgeType:
    """A kind of edge between two node types.

    ``list``: index (2, count), -1 anywhere; ``pointer``: one target per source, index (sources,), -1 for none;
    ``dense``: every source x target, features (sources, targets, F) and no index.
    """

    name: str
    source: str
    target: str
    kind: EdgeKind
    count: int = 0
    features: tuple[Feature, ...] = ()
    static: bool = False


@dataclass(frozen=True)
class Picture:
    """Channels over a grid, shown as ``<name>`` (channels, height, width); a row of bins has height 1."""

    name: str
    channels: tuple[Feature, ...]
    height: int
    width: int


@dataclass(frozen=True)
class Segment:
    """A piece of the action space: ``logits`` actions for each item of a node type, an edge type or ``context``.

    ``phase`` names the phase in which the segment is due; empty: always.
    """

    over: str
    logits: int = 1
    phase: str = ""


@dataclass(frozen=True)
class Block:
    """One array of the observation: key, shape of one environment, dtype, bounds, and whether it is static."""

    key: str
    shape: tuple[int, ...]
    dtype: Any
    low: np.ndarray[Any, Any]
    high: np.ndarray[Any, Any]
    static: bool
    fill: int = 0


@dataclass(frozen=True)
class GraphSpec:
    """Node types, edge types, context, focus pointers (name -> node type), phases, action segments and pictures."""

    nodes: tuple[NodeType, ...]
    edges: tuple[EdgeType, ...] = ()
    context: tuple[Feature, ...] = ()
    focus: tuple[tuple[str, str], ...] = ()
    phases: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    pictures: tuple[Picture, ...] = ()

    def __post_init__(self) -> None:
        nodes, edges = [node.name for node in self.nodes], [edge.name for edge in self.edges]
        ends = [end for edge in self.edges for end in (edge.source, edge.target)]
        _check_known("GraphSpec: node type", [*ends, *(target for _, target in self.focus)], nodes)
        _check_known("GraphSpec: segment over", [s.over for s in self.segments], [*nodes, *edges, "context"])
        _check_known("GraphSpec: phase", [s.phase for s in self.segments if s.phase], self.phases)
        counts = [(node.name, node.count) for node in self.nodes]
        counts += [(edge.name, edge.count) for edge in self.edges if edge.kind == "list"]
        for picture in self.pictures:
            counts += [(picture.name, size) for size in (len(picture.channels), picture.height, picture.width)]
        for name, count in counts:
            if count < 1:
                raise InputError(f"GraphSpec: {name!r}: expected a count of at least 1, got {count}")
        _check_distinct("GraphSpec: observation key", [block.key for block in self.blocks()])
        columns = [self.context, *(node.features for node in self.nodes), *(edge.features for edge in self.edges)]
        columns += [picture.channels for picture in self.pictures]
        for features in columns:
            _check_distinct("GraphSpec: feature", _names(features))

    def node(self, name: str) -> NodeType:
        """Return the node type called ``name``."""
        return next(node for node in self.nodes if node.name == name)

    def items(self, segment: Segment) -> int:
        """Return how many items ``segment`` points at."""
        if segment.over == "context":
            return 1
        for node in self.nodes:
            if node.name == segment.over:
                return node.count
        edge = next(edge for edge in self.edges if edge.name == segment.over)
        sources, targets = self.node(edge.source).count, self.node(edge.target).count
        return {"list": edge.count, "pointer": sources, "dense": sources * targets}[edge.kind]

    @property
    def n_actions(self) -> int:
        """Size of the Discrete action space: all segments in order, item-major."""
        return sum(self.items(segment) * segment.logits for segment in self.segments)

    def decode(self, action: int) -> tuple[Segment, int, int]:
        """Return (segment, item, logit) of ``action``."""
        rest = int(action)
        for segment in self.segments:
            width = self.items(segment) * segment.logits
            if 0 <= rest < width:
                return segment, rest // segment.logits, rest % segment.logits
            rest -= width
        raise ValueError(f"action {action} outside 0 … {self.n_actions - 1}")

    def blocks(self) -> list[Block]:
        """Return the arrays of one observation, in order."""
        found: list[Block] = []
        for node in self.nodes:
            if node.features:
                found.append(_features(node.name, (node.count,), node.features, False))
            if node.static_features:
                found.append(_features(f"{node.name}_static", (node.count,), node.static_features, True))
            found.append(_mask(f"{node.name}_mask", node.count, node.fixed))
        for edge in self.edges:
            sources, targets = self.node(edge.source).count, self.node(edge.target).count
            if edge.kind == "list":
                high = np.array([[sources - 1], [targets - 1]])
                found.append(_index(f"{edge.name}_index", (2, edge.count), high, edge.static))
            elif edge.kind == "pointer":
                found.append(_index(f"{edge.name}_index", (sources,), np.array(targets - 1), edge.static))
            if edge.features:
                lead = {"list": (edge.count,), "pointer": (sources,), "dense": (sources, targets)}[edge.kind]
                found.append(_features(edge.name, lead, edge.features, edge.static))
        if self.context:
            found.append(_features("context", (), self.context, False))
        found += [_picture(picture) for picture in self.pictures]
        for name, target in self.focus:
            found.append(_index(f"focus_{name}", (1,), np.array(self.node(target).count - 1), False))
        if self.phases:
            high = np.full((1,), len(self.phases) - 1, np.int8)
            found.append(Block("phase", (1,), np.int8, np.zeros_like(high), high, False))
        found.append(_mask("action_mask", self.n_actions, False))
        return found

    def allocate(self, num_envs: int, *, static: bool | None = None) -> dict[str, np.ndarray[Any, Any]]:
        """Return zeroed arrays (num_envs, ...) of all blocks, of the static ones (True) or of the others (False)."""
        return {
            block.key: np.full((num_envs, *block.shape), block.fill, dtype=block.dtype)
            for block in self.blocks()
            if static is None or block.static == static
        }

    def observation_space(self, *, static: bool = True) -> spaces.Dict:
        """Return the space of one environment's observation, with or without the static blocks."""
        boxes: dict[str, spaces.Space[Any]] = {
            block.key: spaces.Box(block.low, block.high, block.shape, block.dtype)
            for block in self.blocks()
            if static or not block.static
        }
        return spaces.Dict(boxes)

    def action_space(self) -> spaces.Discrete:
        """Return ``Discrete(n_actions)``."""
        return spaces.Discrete(self.n_actions)

    def schema(self) -> dict[str, Any]:
        """Return names, features and segments without counts: what a policy's weights depend on.

        Pictures are named only where there are any, so that the schema of a graph without them is what it always was.
        """
        pictures = {picture.name: _names(picture.channels) for picture in self.pictures}
        return {
            "nodes": {
                node.name: {
                    "features": _names(node.features),
                    "static_features": _names(node.static_features),
                }
                for node in self.nodes
            },
            "edges": {
                edge.name: {
                    "source": edge.source,
                    "target": edge.target,
                    "kind": edge.kind,
                    "features": _names(edge.features),
                }
                for edge in self.edges
            },
            "context": _names(self.context),
            "focus": {name: target for name, target in self.focus},
            "phases": list(self.phases),
            "segments": [[segment.over, segment.logits, segment.phase] for segment in self.segments],
            **({"pictures": pictures} if pictures else {}),
        }

    @property
    def digest(self) -> str:
        """Return a short hash of :meth:`schema`."""
        text = json.dumps(self.schema(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _names(features: Sequence[Feature]) -> list[str]:
    return [feature.name for feature in features]


def _check_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        check_choice(what, name, known)


def _check_distinct(what: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{what} {name!r}: given twice")


def _features(key: str, lead: tuple[int, ...], features: Sequence[Feature], static: bool) -> Block:
    shape = (*lead, len(features))
    low = np.broadcast_to(np.array([f.low for f in features], np.float32), shape)
    high = np.broadcast_to(np.array([f.high for f in features], np.float32), shape)
    return Block(key, shape, np.float32, low, high, static)


def _picture(picture: Picture) -> Block:
    shape = (len(picture.channels), picture.height, picture.width)
    low = np.broadcast_to(np.array([f.low for f in picture.channels], np.float32)[:, None, None], shape)
    high = np.broadcast_to(np.array([f.high for f in picture.channels], np.float32)[:, None, None], shape)
    return Block(picture.name, shape, np.float32, low, high, False)


def _mask(key: str, count: int, static: bool) -> Block:
    return Block(key, (count,), np.int8, np.zeros(count, np.int8), np.ones(count, np.int8), static)


def _index(key: str, shape: tuple[int, ...], high: np.ndarray[Any, Any], static: bool) -> Block:
    top = np.broadcast_to(high, shape).astype(np.int32)
    return Block(key, shape, np.int32, np.full(shape, -1, np.int32), top, static, fill=-1)
