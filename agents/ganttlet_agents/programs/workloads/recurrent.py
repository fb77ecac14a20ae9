"""Recurrent networks with unrolled steps: an LSTM and WaveRNN."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Any, ...]]


class Lstm(nn.Module):
    """LSTM layers, each with one matrix for input and state, and logits for every step."""

    def __init__(self, layers: int, width: int = 1024, words: int = 10_000) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2 * width, 4 * width) for _ in range(layers))
        self.head = nn.Linear(width, words)

    def forward(self, x: Tensor) -> Tensor:
        """Return (steps, batch, words) for ``x`` of (steps, batch, width)."""
        state = [(zero, zero) for zero in (x.new_zeros(x.shape[1:]) for _ in self.layers)]
        results = []
        for step in x:
            for index, layer in enumerate(self.layers):
                hidden, cell = state[index]
                into, forget, out, new = layer(torch.cat([step, hidden], 1)).chunk(4, 1)
                cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
                step = out.sigmoid() * cell.tanh()
                state[index] = (step, cell)
            results.append(step)
        logits: Tensor = self.head(torch.stack(results))
        return logits


def lstm2(batch: int, length: int, layers: int) -> Made:
    """Return the LSTM and a batch of sequences."""
    return Lstm(layers), (torch.empty(length, batch, 1024),)


class WaveRnn(nn.Module):
    """WaveRNN with both halves of the state side by side: coarse and fine 8 bits of every sample.

    The samples are given, as in training, so the masked matrix that lets the fine half see the coarse bits is one
    product for all steps.
    """

    def __init__(self, width: int = 896, levels: int = 256) -> None:
        super().__init__()
        self.recurrent = nn.Linear(width, 3 * width, bias=False)
        self.samples = nn.Linear(3, 3 * width)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width // 2, levels), nn.ReLU(), nn.Linear(levels, levels)) for _ in range(2)
        )

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the coarse and the fine bits, (steps, batch, 256) each.

        Args:
            samples: (steps, batch, 3), the coarse and fine bits before and the coarse bits of this step.
            state: (batch, 896).
        """
        coarse, fine = [], []
        for given in self.samples(samples):
            old = self.recurrent(state).chunk(3, 1)
            new = given.chunk(3, 1)
            update, reset = (old[0] + new[0]).sigmoid(), (old[1] + new[1]).sigmoid()
            content = (reset * old[2] + new[2]).tanh()
            state = update * state + (1 - update) * content
            halves = state.chunk(2, 1)
            coarse.append(self.heads[0](halves[0]))
            fine.append(self.heads[1](halves[1]))
        return torch.stack(coarse), torch.stack(fine)


def wavernn(batch: int, length: int) -> Made:
    """Return WaveRNN, a batch of scaled samples and a state."""
    return WaveRnn(), (torch.empty(length, batch, 3), torch.empty(batch, 896))
