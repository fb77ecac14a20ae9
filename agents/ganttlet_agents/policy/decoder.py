"""What turns embeddings into logits: ``mlp``, a small network for each candidate, or ``glimpse``.

A glimpse asks with the context (all that a context action reads: the context with the focus, and the mean of each node
type). Its heads attend to the row's candidates, what they bring back is g, and a candidate with embedding e gets the
logit g . W e / sqrt(width). So a candidate is judged beside the others, and legal ones alone are heard.

Source: Kool, van Hoof and Welling 2019, without the clipping of logits.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import rank
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.schema import CONTEXT, Schema


class Glimpse(nn.Module):
    """The logits of one segment over a node type.

    Args:
        whole: width of what it asks with.
        width: of embeddings, a multiple of ``heads``.
        heads: of the attention.
        logits: of each candidate.
    """

    def __init__(self, whole: int, width: int, heads: int, logits: int) -> None:
        super().__init__()
        self.heads, self.logits = heads, logits
        self.query = nn.Linear(whole, width, bias=False)
        self.pair = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, logits * width, bias=False)

    def forward(self, whole: Tensor, row: Tensor, embedded: Tensor) -> Tensor:
        """Return logits (M, k).

        Args:
            whole: (B, W), what each row asks with.
            row: (M,) int64, in order, the row of each candidate.
            embedded: (M, d), the candidates.
        """
        rows, width = len(whole), embedded.shape[1]
        column = rank(row, rows)
        count = int(column.max()) + 1 if len(column) else 1
        there = torch.zeros((rows, count), dtype=torch.bool, device=row.device)
        there[row, column] = True
        laid = embedded.new_zeros((rows, count, 2 * width)).index_put((row, column), self.pair(embedded))
        k, v = laid.view(rows, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        q = self.query(whole).view(rows, self.heads, 1, -1)
        score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        score = score.masked_fill(~there[:, None, None], -1e9)
        heard = self.out((score.softmax(-1) @ v).reshape(rows, width))
        # g . W e is (W' g) . e, which takes one product for each row and not for each candidate.
        asked = self.key(heard).view(rows, self.logits, width).index_select(0, row)
        return cast(Tensor, (asked * embedded.unsqueeze(1)).sum(-1) / math.sqrt(width))


def check_decoder(schema: Schema, config: NetworkConfig) -> None:
    """Raise InputError where the decoder does not suit the actions."""
    if config.decoder != "glimpse":
        return
    if config.width % config.heads:
        raise InputError(f"network: width {config.width} is not a multiple of heads {config.heads}")
    over = [segment.over for segment in schema.segments]
    for name in over:
        if schema.edge(name) is not None:
            raise InputError(
                f"network: decoder 'glimpse': actions point at edges {name!r}, and it attends to nodes; use decoder "
                "'mlp', or an environment whose actions point at nodes"
            )
    if not set(over) - {CONTEXT}:
        raise InputError("network: decoder 'glimpse': no action points at nodes; use decoder 'mlp'")
