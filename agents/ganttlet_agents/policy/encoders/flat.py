"""A plain multilayer perceptron over everything at once, to compare with: it knows nodes by their number alone.

The features of the node types that actions point at fill ``slots`` places of each type, node n the place n, the others
zeros; with the context they are one vector, from which ``layers`` hidden layers make an embedding for each place. Other
node types keep the embedding they came with: of them the heads read the focus and the mean. No edge is read.

It is not size-free: weights belong to numbers of nodes, an instance with more than ``slots`` of a type is refused, and
what was learned of one number says nothing of another.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, take
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Schema


class FlatEncoder(nn.Module):
    """See the module."""

    def __init__(self, schema: Schema, width: int, layers: int, hidden: int, slots: int) -> None:
        super().__init__()
        self.tokens, self.slots = schema.tokens, slots
        inputs = schema.context + sum(slots * (schema.nodes[name] + 1) for name in self.tokens)
        parts: list[nn.Module] = []
        for given in [inputs, *[hidden] * (layers - 1)]:
            parts += [nn.Linear(given, hidden), nn.ReLU()]
        self.net = nn.Sequential(*parts, nn.Linear(hidden, len(self.tokens) * slots * width))

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings; raises InputError for an instance with more nodes than places."""
        read = [torch.asinh(batch.context)]
        for name in self.tokens:
            number = batch.there[name].shape[1]
            if number > self.slots:
                raise InputError(
                    f"encoder 'flat': {number} nodes {name!r}, and this network has {self.slots} places for them; "
                    "make it with more (network.slots), or use encoder 'attention' or 'pointer', which take any number"
                )
            mask = batch.masks[name].unsqueeze(-1)
            values = torch.cat([torch.asinh(batch.nodes[name]) * mask, mask], -1)
            if name in batch.moved:
                values = take(values, batch.moved[name][:, :number])
            read.append(nn.functional.pad(values, (0, 0, 0, self.slots - number)).flatten(1))
        made = self.net(torch.cat(read, -1)).view(len(read[0]), len(self.tokens), self.slots, -1)
        return Encoded({**nodes, **{name: _back(batch, name, made[:, at]) for at, name in enumerate(self.tokens)}})


def _back(batch: GraphBatch, name: str, made: Tensor) -> Tensor:
    """Return the embeddings (B, N, d) of the nodes of a batch from those of their numbers (B, slots, d)."""
    rows, count = batch.masks[name].shape
    if name not in batch.moved:
        return made[:, :count]
    place = batch.moved[name][:, : batch.there[name].shape[1]]
    row, item = (place >= 0).nonzero(as_tuple=True)
    return made.new_zeros((rows, count, made.shape[2])).index_put((row, place[row, item]), made[row, item])
