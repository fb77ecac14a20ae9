"""A batch of observations as the network sees it: tensors cut to the largest real counts, and candidate actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.schema import CONTEXT, Schema, Segment

ILLEGAL = -1e8
Obs = Mapping[str, Tensor]


@dataclass
class GraphBatch:
    """B observations; N, E are the largest real counts in this batch, not those of the padded space.

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


def prepare(schema: Schema, obs: Obs) -> GraphBatch:
    """Return ``obs`` (tensors with a leading batch axis) cut to its largest real counts.

    Raises:
        InputError: if a block is missing, for instance under ``static="index"``, or has other features or actions.
    """
    try:
        return _prepare(schema, obs)
    except KeyError as error:
        raise InputError(
            f"observation: key {error.args[0]!r} is missing; make the environment with the options the policy was "
            "trained with, and static='observe'"
        ) from None


def _prepare(schema: Schema, obs: Obs) -> GraphBatch:
    legal = obs["action_mask"] != 0
    if legal.ndim != 2:
        raise InputError("observation: expected a leading batch axis; for one environment pass {key: value[None], …}")
    rows = legal.shape[0]
    nodes, masks, full, counts = {}, {}, {}, {}
    for name, width in schema.nodes.items():
        full[name] = mask = obs[f"{name}_mask"] != 0
        real = mask.any(0).nonzero()
        kept = int(real[-1]) + 1 if len(real) else 1
        counts[name], masks[name] = mask.shape[1], mask[:, :kept]
        listed = schema.data["nodes"][name]
        keys = [key for key, kind in ((name, "features"), (f"{name}_static", "static_features")) if listed[kind]]
        parts = [obs[key][:, :kept] for key in keys] or [mask.new_zeros((rows, kept, 0), dtype=torch.float32)]
        nodes[name] = torch.cat(parts, -1) if len(parts) > 1 else parts[0]
        _check_width(name, nodes[name], width)
    pointers, lists, edges = {}, {}, {}
    for edge in schema.edges:
        sources, targets = masks[edge.source], full[edge.target]
        lead: tuple[slice, ...] = (slice(None), slice(0, sources.shape[1]))
        counts[edge.name] = counts[edge.source]
        if edge.kind == "dense":
            lead = (*lead, slice(0, masks[edge.target].shape[1]))
            counts[edge.name] *= counts[edge.target]
        elif edge.kind == "pointer":
            index = obs[f"{edge.name}_index"][:, : sources.shape[1]].long()
            pointers[edge.name] = index.masked_fill(~(sources & _at(targets, index)), -1)
        else:
            index = obs[f"{edge.name}_index"].long()
            there = _at(full[edge.source], index[:, 0]) & _at(targets, index[:, 1])
            some = there.any(0).nonzero()
            end = int(some[-1]) + 1 if len(some) else 1
            counts[edge.name] = index.shape[2]
            lists[edge.name] = index[:, :, :end].masked_fill(~there[:, None, :end], -1)
            lead = (slice(None), slice(0, end))
        if edge.features:
            edges[edge.name] = obs[edge.name][lead]
            _check_width(edge.name, edges[edge.name], edge.features)
    context = obs[CONTEXT] if schema.context else legal.new_zeros((rows, 0), dtype=torch.float32)
    _check_width(CONTEXT, context, schema.context)
    focus = {}
    for name, target in schema.focus.items():
        chosen = obs[f"focus_{name}"].long().reshape(rows, 1)
        focus[name] = chosen.masked_fill(~_at(full[target], chosen), -1).squeeze(1)
    phase = obs["phase"].long().reshape(rows) if schema.phases else None
    actions = sum(
        segment.logits * (1 if segment.over == CONTEXT else counts[segment.over]) for segment in schema.segments
    )
    if actions != legal.shape[1]:
        raise InputError(f"observation: 'action_mask' has {legal.shape[1]} actions, the policy expects {actions}")
    return GraphBatch(nodes, masks, pointers, lists, edges, context, focus, phase, legal, counts)


def _at(mask: Tensor, index: Tensor) -> Tensor:
    """Return (B, I) bool: ``index`` (B, I) points at a one of ``mask`` (B, N)."""
    return mask.gather(1, index.clamp(min=0)) & (index >= 0)


def _check_width(name: str, values: Tensor, width: int) -> None:
    if values.shape[-1] != width:
        raise InputError(f"observation: {name!r} has {values.shape[-1]} features, the policy expects {width}")


@dataclass
class Candidates:
    """The items of one segment that a legal action points at.

    Fields:
        segment: the segment.
        item: (B, C) int64, positions in the padded space; 0 where ``real`` is False.
        real: (B, C) bool.
        legal: (B, C, k) bool, for each of an item's k logits.
        first: number of the segment's first action.
    """

    segment: Segment
    item: Tensor
    real: Tensor
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
        item, real = _positions(legal.any(-1))
        chosen = legal.gather(1, item.unsqueeze(-1).expand(-1, -1, segment.logits)) & real.unsqueeze(-1)
        found.append(Candidates(segment, item, real, chosen, first))
        first += size
    return found


def _there(schema: Schema, batch: GraphBatch, over: str) -> Tensor:
    """Return (B, I) bool: which of the first I items of a node or edge type are there; none are behind them."""
    edge = schema.edge(over)
    if edge is None:
        return batch.masks[over]
    if edge.kind == "list":
        return (batch.lists[over] >= 0).all(1)
    sources, targets = batch.masks[edge.source], batch.masks[edge.target]
    if edge.kind == "pointer":
        return sources
    pairs = sources.unsqueeze(2) & targets.unsqueeze(1)
    padding = (0, batch.counts[edge.target] - targets.shape[1])
    return torch.nn.functional.pad(pairs, padding).flatten(1)


def _positions(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions of the ones in each row of ``mask`` (B, N), in order, as (B, C) and which are real."""
    count = mask.sum(1)
    width = max(1, int(count.max()))
    row, column = mask.nonzero(as_tuple=True)
    position = mask.new_zeros((mask.shape[0], width), dtype=torch.int64)
    place = mask.cumsum(1)[row, column] - 1
    position[row, place] = column
    return position, torch.arange(width, device=mask.device) < count.unsqueeze(1)


def scatter_logits(batch: GraphBatch, parts: list[tuple[Candidates, Tensor]]) -> Tensor:
    """Return logits (B, A) of the padded action space from those of the candidates (B, C, k); ILLEGAL elsewhere."""
    out = torch.full(batch.legal.shape, ILLEGAL, dtype=torch.float32, device=batch.legal.device)
    for some, logits in parts:
        k = some.segment.logits
        row, place, one = some.legal.nonzero(as_tuple=True)
        action = some.first + some.item[row, place] * k + one
        out = out.index_put((row, action), logits[row, place, one].float())
    return out


def take(values: Tensor, index: Tensor) -> Tensor:
    """Return values[b, index[b, i]] (B, I, d) of ``values`` (B, N, d); zeros where ``index`` (B, I) is -1."""
    rows, count, width = values.shape
    # Whole rows of one flat table are copied faster, and summed back faster, than element by element.
    first = torch.arange(rows, device=index.device).unsqueeze(1) * count
    found = values.reshape(-1, width).index_select(0, (index.clamp(min=0) + first).reshape(-1))
    return found.view(rows, -1, width) * (index >= 0).unsqueeze(-1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (B, d) of the real ones of ``values`` (B, N, d)."""
    weight = mask.unsqueeze(1).to(values.dtype)
    return (weight @ values).squeeze(1) / weight.sum(2).clamp(min=1.0)
