"""A batch of observations as the network sees it: tensors cut to the largest real counts, and candidate actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.schema import CONTEXT, Edge, Schema, Segment

ILLEGAL = -1e8
# Nodes are moved together where no row has more than this share of the positions up to its last one.
CROWDED = 0.75
Obs = Mapping[str, Tensor]


@dataclass
class GraphBatch:
    """B observations; N, E are the largest real counts in this batch, not those of the padded space.

    Behind the last real node of a type nothing is kept. Where most of what is before it is masked, the real nodes are
    moved together, in order; what points at nodes points at where they are then.

    Fields:
        nodes: node type -> features (B, N, F) float32, static ones behind the others.
        masks: node type -> (B, N) bool.
        pointers: pointer edge -> (B, N) int64, -1 for none and where an end is masked.
        lists: list edge -> (B, 2, E) int64, likewise.
        edges: edge type -> features, where it has any.
        context: (B, C) float32.
        focus: focus name -> (B,) int64, -1 for none and where the node is masked.
        phase: (B,) int64, or None.
        legal: (B, A) bool over the padded action space.
        counts: node or edge type -> padded count of items.
        there: node type -> (B, N) bool over the padded space, cut behind the last real node.
        moved: node type -> (B, N) int64, the place of each node of the padded space; types moved together only.
        pictures: picture -> (B, channels, height, width) float32.
    """

    nodes: dict[str, Tensor]
    masks: dict[str, Tensor]
    pointers: dict[str, Tensor]
    lists: dict[str, Tensor]
    edges: dict[str, Tensor]
    context: Tensor
    focus: dict[str, Tensor]
    phase: Tensor | None
    legal: Tensor
    counts: dict[str, int]
    there: dict[str, Tensor]
    moved: dict[str, Tensor]
    pictures: dict[str, Tensor] = field(default_factory=dict)

    def place(self, name: str, row: Tensor, item: Tensor) -> Tensor:
        """Return where nodes ``item`` (M,) of the padded space stand in ``row`` (M,)."""
        return self.moved[name][row, item] if name in self.moved else item


def prepare(schema: Schema, obs: Obs, links: Sequence[Edge] = ()) -> GraphBatch:
    """Return ``obs`` (tensors with a leading batch axis) cut to its largest real counts.

    Args:
        schema: what is read.
        obs: the observation.
        links: further pointer edges, from nodes of ``schema`` to others, which keep their numbers.

    Raises:
        InputError: if a block is missing, for instance under ``static="index"``, or has other features or actions.
    """
    try:
        return _prepare(schema, obs, links)
    except KeyError as error:
        raise _missing(error) from None


def prepare_static(schema: Schema, obs: Obs) -> GraphBatch:
    """Return the nodes and edges of ``schema``, which has nothing else, cut to the largest real counts; none is moved.

    Raises:
        InputError: as :func:`prepare`.
    """
    try:
        kept = {name: _cut(obs[f"{name}_mask"] != 0) for name in schema.nodes}
        nodes, pointers, lists, edges, _ = _graph(schema, obs, kept)
    except KeyError as error:
        raise _missing(error) from None
    masks = {name: one.mask for name, one in kept.items()}
    none = next(iter(masks.values()))[:, :0]
    return GraphBatch(nodes, masks, pointers, lists, edges, none.float(), {}, None, none, {}, {}, {})


def _missing(error: KeyError) -> InputError:
    return InputError(
        f"observation: key {error.args[0]!r} is missing; make the environment with the options the policy was "
        "trained with, and static='observe'"
    )


def _prepare(schema: Schema, obs: Obs, links: Sequence[Edge]) -> GraphBatch:
    legal = obs["action_mask"] != 0
    if legal.ndim != 2:
        raise InputError("observation: expected a leading batch axis; for one environment pass {key: value[None], …}")
    rows = legal.shape[0]
    kept = {name: _keep(obs[f"{name}_mask"] != 0) for name in schema.nodes}
    nodes, pointers, lists, edges, counts = _graph(schema, obs, kept)
    for edge in links:
        source = kept[edge.source]
        pointers[edge.name] = source.take(obs[f"{edge.name}_index"]).long().masked_fill(~source.mask, -1)
    context = obs[CONTEXT] if schema.context else legal.new_zeros((rows, 0), dtype=torch.float32)
    _check_width(CONTEXT, context, schema.context)
    focus = {
        name: kept[target].find(obs[f"focus_{name}"].long().reshape(rows, 1)).squeeze(1)
        for name, target in schema.focus.items()
    }
    phase = obs["phase"].long().reshape(rows) if schema.phases else None
    actions = sum(
        segment.logits * (1 if segment.over == CONTEXT else counts[segment.over]) for segment in schema.segments
    )
    if actions != legal.shape[1]:
        raise InputError(f"observation: 'action_mask' has {legal.shape[1]} actions, the policy expects {actions}")
    masks = {name: one.mask for name, one in kept.items()}
    there = {name: one.full[:, : one.end] for name, one in kept.items()}
    moved = {name: one.place for name, one in kept.items() if one.place is not None}
    pictures = {name: obs[name] for name in schema.pictures}
    for name, picture in pictures.items():
        _check_width(name, picture.movedim(1, -1), schema.pictures[name])
    return GraphBatch(
        nodes, masks, pointers, lists, edges, context, focus, phase, legal, counts, there, moved, pictures
    )


Parts = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, Tensor], dict[str, int]]


def _graph(schema: Schema, obs: Obs, kept: Mapping[str, _Kept]) -> Parts:
    """Return the fields nodes, pointers, lists, edges and counts of a GraphBatch."""
    masks = {name: one.mask for name, one in kept.items()}
    counts = {name: one.full.shape[1] for name, one in kept.items()}
    nodes = {}
    for name, width in schema.nodes.items():
        listed = schema.data["nodes"][name]
        keys = [key for key, kind in ((name, "features"), (f"{name}_static", "static_features")) if listed[kind]]
        none = masks[name].new_zeros((*masks[name].shape, 0), dtype=torch.float32)
        parts = [kept[name].take(obs[key]) for key in keys] or [none]
        nodes[name] = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
        _check_width(name, nodes[name], width)
    pointers, lists, edges = {}, {}, {}
    for edge in schema.edges:
        source, target = kept[edge.source], kept[edge.target]
        counts[edge.name] = counts[edge.source]
        if edge.kind == "dense":
            counts[edge.name] *= counts[edge.target]
            given = target.take(source.take(obs[edge.name]).transpose(1, 2)).transpose(1, 2) if edge.features else None
        elif edge.kind == "pointer":
            index = target.find(source.take(obs[f"{edge.name}_index"]).long())
            pointers[edge.name] = index.masked_fill(~source.mask, -1)
            given = source.take(obs[edge.name]) if edge.features else None
        else:
            index = obs[f"{edge.name}_index"].long()
            index = torch.stack([source.find(index[:, 0]), target.find(index[:, 1])], 1)
            some = (index >= 0).all(1)
            end = _end(some)
            counts[edge.name] = index.shape[2]
            lists[edge.name] = index[:, :, :end].masked_fill(~some[:, None, :end], -1)
            given = obs[edge.name][:, :end] if edge.features else None
        if given is not None:
            edges[edge.name] = given
            _check_width(edge.name, given, edge.features)
    return nodes, pointers, lists, edges, counts


@dataclass
class _Kept:
    """Which nodes of a type are kept: those before ``end``, or, moved together, those at ``index`` (B, K).

    Fields:
        full: (B, N) bool, over the padded space.
        end: behind the last real node.
        mask: (B, K) bool, which of those kept are real.
        index, place: (B, K) int64 and its inverse (B, N), -1 where masked; None where nodes stay where they are.
    """

    full: Tensor
    end: int
    mask: Tensor
    index: Tensor | None = None
    place: Tensor | None = None

    def take(self, values: Tensor) -> Tensor:
        """Return what is kept of ``values`` (B, N, ...)."""
        if self.index is None:
            return values[:, : self.end]
        return values[torch.arange(len(values), device=values.device).unsqueeze(1), self.index]

    def find(self, index: Tensor) -> Tensor:
        """Return where the nodes ``index`` (B, I) of the padded space are, -1 for none and for masked ones."""
        at = index.clamp(min=0)
        found = at if self.place is None else self.place.gather(1, at)
        return found.masked_fill(~(self.full.gather(1, at) & (index >= 0)), -1)


def _keep(full: Tensor) -> _Kept:
    end, most = _end(full), max(1, int(full.sum(1).max()))
    if most > CROWDED * end:
        return _cut(full)
    place = torch.where(full, full.cumsum(1) - 1, -1)
    index = place.new_zeros((len(full), most))
    row, item = full.nonzero(as_tuple=True)
    index[row, place[row, item]] = item
    mask = torch.arange(most, device=full.device) < full.sum(1, keepdim=True)
    return _Kept(full, end, mask, index, place)


def _cut(full: Tensor) -> _Kept:
    end = _end(full)
    return _Kept(full, end, full[:, :end])


def _end(mask: Tensor) -> int:
    """Return the position behind the last one of any row of ``mask`` (B, N), at least 1."""
    real = mask.any(0).nonzero()
    return int(real[-1]) + 1 if len(real) else 1


def _check_width(name: str, values: Tensor, width: int) -> None:
    if values.shape[-1] != width:
        raise InputError(f"observation: {name!r} has {values.shape[-1]} features, the policy expects {width}")


@dataclass
class Candidates:
    """The M items of one segment that legal actions of a batch point at, row by row and in order.

    Rows in different phases have none or many, so that they are a list and no padded array.

    Fields:
        segment: the segment.
        row: (M,) int64.
        item: (M,) int64, positions in the padded space.
        legal: (M, k) bool, for each of an item's k logits.
        first: number of the segment's first action.
    """

    segment: Segment
    row: Tensor
    item: Tensor
    legal: Tensor
    first: int


def candidates(schema: Schema, batch: GraphBatch) -> list[Candidates]:
    """Return the candidates of every segment, in order.

    Where a terminal observation allows every action, those of items that are not there are no candidates.
    """
    found, first = [], 0
    for segment in schema.segments:
        items = 1 if segment.over == CONTEXT else batch.counts[segment.over]
        size = items * segment.logits
        legal = batch.legal[:, first : first + size].reshape(-1, items, segment.logits)
        if segment.over != CONTEXT:
            there = _there(schema, batch, segment.over)
            legal = legal[:, : there.shape[1]] & there.unsqueeze(-1)
        row, item = legal.any(-1).nonzero(as_tuple=True)
        found.append(Candidates(segment, row, item, legal[row, item], first))
        first += size
    return found


def _there(schema: Schema, batch: GraphBatch, over: str) -> Tensor:
    """Return (B, I) bool: which of the first I items of a node or edge type are there; none are behind them."""
    edge = schema.edge(over)
    if edge is None:
        return batch.there[over]
    if edge.kind == "list":
        return (batch.lists[over] >= 0).all(1)
    sources, targets = batch.there[edge.source], batch.there[edge.target]
    if edge.kind == "pointer":
        return sources
    pairs = sources.unsqueeze(2) & targets.unsqueeze(1)
    padding = (0, batch.counts[edge.target] - targets.shape[1])
    return torch.nn.functional.pad(pairs, padding).flatten(1)


def scatter_logits(batch: GraphBatch, parts: list[tuple[Candidates, Tensor]]) -> Tensor:
    """Return logits (B, A) of the padded action space from those of the candidates (M, k); ILLEGAL elsewhere."""
    out = torch.full(batch.legal.shape, ILLEGAL, dtype=torch.float32, device=batch.legal.device)
    for some, logits in parts:
        at, one = some.legal.nonzero(as_tuple=True)
        action = some.first + some.item[at] * some.segment.logits + one
        out = out.index_put((some.row[at], action), logits[at, one].float())
    return out


def take(values: Tensor, index: Tensor) -> Tensor:
    """Return values[b, index[b, i]] (B, I, d) of ``values`` (B, N, d); zeros where ``index`` (B, I) is -1."""
    row = torch.arange(index.shape[0], device=index.device).unsqueeze(1).expand_as(index)
    return pick(values, row.reshape(-1), index.reshape(-1)).view(*index.shape, -1)


def pick(values: Tensor, row: Tensor, index: Tensor) -> Tensor:
    """Return values[row, index] (M, d) of ``values`` (B, N, d); zeros where ``index`` (M,) is -1."""
    _, count, width = values.shape
    # Whole rows of one flat table are copied faster, and summed back faster, than element by element.
    found = values.reshape(-1, width).index_select(0, row * count + index.clamp(min=0))
    return found * (index >= 0).unsqueeze(-1)


def rank(row: Tensor, rows: int) -> Tensor:
    """Return for each of ``row`` (M,), which is in order, how many of its row are before it."""
    count = torch.bincount(row, minlength=rows)
    return torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, d) of the real ones of ``values`` (B, N, d)."""
    weight = mask.unsqueeze(1).to(values.dtype)
    return (weight @ values).squeeze(1) / weight.sum(2).clamp(min=1.0)
