"""GraphPolicy: one network class for every family and any instance size."""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor, nn

from ganttlet_agents.policy.batch import (
    Candidates,
    GraphBatch,
    Obs,
    candidates,
    masked_mean,
    pick,
    prepare,
    scatter_logits,
    take,
)
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.decoder import Glimpse, check_decoder
from ganttlet_agents.policy.encoders import make_encoder, reads_itself
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.pictures import PictureNet
from ganttlet_agents.policy.schema import CONTEXT, Schema, Segment
from ganttlet_agents.policy.static import Embedded, StaticEncoder, split


class GraphPolicy(nn.Module):
    """Observations in, masked logits and values out.

    Weights depend on the schema's names and not on counts, so a policy plays instances of any size. Features enter as
    asinh(x): near 0 unchanged, far out logarithmic, so that longer horizons than those trained on stay in range.
    Pictures are added to the context. With ``static_rounds`` the nodes that never change are embedded apart from the
    others, which take up those that they point at.

    Args:
        schema: ``Schema.of(env.unwrapped.graph)``.
        config: the network's shape.

    Attributes:
        moving: the part of the schema that the encoder reads, all of it without ``static_rounds``.
        static: the encoder of the rest, or None.
    """

    def __init__(self, schema: Schema, config: NetworkConfig) -> None:
        super().__init__()
        check_decoder(schema, config)
        self.schema, self.config = schema, config
        width, hidden = config.width, config.hidden
        parts = split(schema) if config.static_rounds else None
        self.moving = schema if parts is None else parts.moving
        self.links = () if parts is None else parts.links
        raw = reads_itself(self.moving, config)
        self.inputs = nn.ModuleDict(
            {name: _mlp(count, hidden, width) for name, count in self.moving.nodes.items() if name not in raw}
        )
        self.context = _linear(schema.context, width)
        self.focus = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in schema.focus})
        self.phase = nn.Embedding(len(schema.phases), width) if schema.phases else None
        self.encoder = make_encoder(self.moving, config)
        self.heads = nn.ModuleList(self._head(segment) for segment in schema.segments)
        self.edge_inputs = nn.ModuleDict(
            {
                edge.name: nn.Linear(edge.features, width)
                for edge in schema.edges
                if edge.features and edge.name in {segment.over for segment in schema.segments}
            }
        )
        self.value = _mlp(width * self._parts(CONTEXT), hidden, 1)
        self.pictures = nn.ModuleDict({name: PictureNet(count, width) for name, count in schema.pictures.items()})
        self.static = None if parts is None else StaticEncoder(parts.fixed, config)
        self.reads = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in self.links})

    def forward(self, obs: Obs, static: Embedded | None = None) -> tuple[Tensor, Tensor]:
        """Return logits (B, A), at most ILLEGAL where the mask forbids, and values (B,).

        Args:
            obs: tensors with a leading batch axis, keys as in the environment's observation.
            static: what the rows read of their instances; without, static blocks in ``obs`` are embedded row by row.

        Raises:
            InputError: if a block is missing or has other features, or the encoder is too dense for the instance.
        """
        batch = prepare(self.moving, obs, self.links)
        if self.static is not None and static is None:
            static = self.static.embed(obs)
        nodes = {name: net(torch.asinh(batch.nodes[name])) for name, net in self.inputs.items()}
        around = self.context(torch.asinh(batch.context))
        if self.phase is not None:
            around = around + self.phase(cast(Tensor, batch.phase))
        for name, net in self.pictures.items():
            around = around + net(batch.pictures[name])
        nodes = {name: value + around.unsqueeze(1) for name, value in nodes.items()}
        for edge in self.links:
            there = cast(Embedded, static).take(edge.target, batch.pointers[edge.name])
            nodes[edge.source] = nodes[edge.source] + self.reads[edge.name](there)
        encoded: Encoded = self.encoder(batch, nodes)
        for name, link in self.focus.items():
            if name in batch.focus:
                chosen = take(encoded.nodes[self.schema.focus[name]], batch.focus[name].unsqueeze(1))
            else:
                index = obs[f"focus_{name}"].long().reshape(-1, 1)
                chosen = cast(Embedded, static).take(self.schema.focus[name], index)
            around = around + link(chosen).squeeze(1)
        pooled = [
            masked_mean(encoded.nodes[name], batch.masks[name])
            if name in self.moving.nodes
            else cast(Embedded, static).pooled[name]
            for name in self.schema.nodes
        ]
        whole = torch.cat([around, *pooled], -1)
        parts = []
        for some, head in zip(candidates(self.moving, batch), self.heads, strict=True):
            if isinstance(head, Glimpse):
                parts.append((some, head(whole, some.row, self._nodes(batch, encoded, some))))
                continue
            read = whole[some.row] if some.segment.over == CONTEXT else self._items(batch, encoded, some, around)
            parts.append((some, head(read)))
        return scatter_logits(batch, parts), self.value(whole).squeeze(-1)

    def _head(self, segment: Segment) -> nn.Module:
        width, over = self.config.width, segment.over
        if self.config.decoder == "glimpse" and over in self.schema.nodes:
            return Glimpse(width * self._parts(CONTEXT), width, self.config.heads, segment.logits)
        return _mlp(width * self._parts(over), self.config.hidden, segment.logits)

    def _parts(self, over: str) -> int:
        """Return how many embeddings a head reads of an item of ``over``.

        Of the context: itself and the mean of each node type. Of others: their own or their ends', and the context.
        """
        if over == CONTEXT:
            return 1 + len(self.schema.nodes)
        edge = self.schema.edge(over)
        if edge is None:
            return 2
        return 4 if edge.features else 3

    def _items(self, batch: GraphBatch, encoded: Encoded, some: Candidates, around: Tensor) -> Tensor:
        """Return what the head reads of each candidate node or edge: (M, width of its parts)."""
        over, row, item = some.segment.over, some.row, some.item
        shared = around.index_select(0, row)
        edge = self.schema.edge(over)
        if edge is None:
            return torch.cat([self._nodes(batch, encoded, some), shared], -1)
        slot = item
        if edge.kind == "list":
            source, target = batch.lists[over][row, :, item].unbind(1)
        elif edge.kind == "pointer":
            source = slot = batch.place(edge.source, row, item)
            target = batch.pointers[over][row, source]
        else:
            count = batch.counts[edge.target]
            source = batch.place(edge.source, row, item // count)
            target = batch.place(edge.target, row, item % count)
        found = [pick(encoded.nodes[edge.source], row, source), pick(encoded.nodes[edge.target], row, target), shared]
        if edge.features:
            values = batch.edges[over]
            given = values[row, source, target] if edge.kind == "dense" else values[row, slot]
            found.append(self.edge_inputs[over](torch.asinh(given)))
        return torch.cat(found, -1)

    def _nodes(self, batch: GraphBatch, encoded: Encoded, some: Candidates) -> Tensor:
        """Return the embeddings (M, d) of candidate nodes."""
        over, row = some.segment.over, some.row
        at = batch.place(over, row, some.item)
        embedded = pick(encoded.nodes[over], row, at)
        if encoded.refine is not None and over in encoded.refined:
            embedded = encoded.refine(over, row, at, embedded)
        return embedded


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a layer; one of no inputs, for nodes without features, is its bias, and nothing to warn of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Initializing zero-element tensors is a no-op")
        return nn.Linear(inputs, outputs)
