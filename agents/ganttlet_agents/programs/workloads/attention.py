"""Transformers on embedded tokens: encoders and a decoder with cross attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Made = tuple[nn.Module, tuple[Any, ...]]
VOCABULARY = 32_000


class Attention(nn.Module):
    """Multi-head attention, written out as matrix products and a softmax."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return what ``x`` (batch, tokens, width) draws from ``memory``; ``mask`` is added to the scores."""
        query, key, value = self._split(self.query(x)), self._split(self.key(memory)), self._split(self.value(memory))
        scores = query @ key.transpose(-2, -1) * (x.shape[-1] // self.heads) ** -0.5
        if mask is not None:
            scores = scores + mask
        result: Tensor = self.out((scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape))
        return result

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class EncoderLayer(nn.Module):
    """Attention and an MLP, each normalised after its residual."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, tokens, width)."""
        x = self.norms[0](x + self.attention(x, x))
        result: Tensor = self.norms[1](x + self.down(functional.gelu(self.up(x))))
        return result


def _encoder(batch: int, length: int, layers: int, width: int, heads: int) -> Made:
    """Return an encoder that normalises the embedded tokens first, as BERT does, and such tokens."""
    blocks = [EncoderLayer(width, heads, 4 * width) for _ in range(layers)]
    return nn.Sequential(nn.LayerNorm(width), *blocks), (torch.empty(batch, length, width),)


def bert_base(batch: int, length: int, layers: int) -> Made:
    """Return BERT base's encoder and embedded tokens."""
    return _encoder(batch, length, layers, 768, 12)


def encoder24(batch: int, length: int, layers: int) -> Made:
    """Return an encoder with BERT large's widths and embedded tokens."""
    return _encoder(batch, length, layers, 1024, 16)


class DecoderLayer(nn.Module):
    """Masked attention to itself, attention to the encoder's result, and an MLP, each normalised after its residual."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.itself, self.cross = Attention(width, heads), Attention(width, heads)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, tokens, width)."""
        x = self.norms[0](x + self.itself(x, x, mask))
        x = self.norms[1](x + self.cross(x, memory))
        result: Tensor = self.norms[2](x + self.down(functional.relu(self.up(x))))
        return result


class Decoder(nn.Module):
    """A stack of decoder layers with logits for every token."""

    mask: Tensor

    def __init__(self, length: int, layers: int, width: int = 512, heads: int = 8, inner: int = 2048) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, inner) for _ in range(layers))
        self.head = nn.Linear(width, VOCABULARY)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1), persistent=False)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Return (batch, tokens, words)."""
        for layer in self.layers:
            x = layer(x, memory, self.mask)
        logits: Tensor = self.head(x)
        return logits


def decoder6(batch: int, length: int, layers: int) -> Made:
    """Return the decoder, embedded tokens, and as many from the encoder."""
    return Decoder(length, layers), (torch.empty(batch, length, 512), torch.empty(batch, length, 512))
