"""A picture of any size as one vector."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

GRID = 4


class PictureNet(nn.Module):
    """Three convolutions of stride 2, and the means over a grid of GRID x GRID fields."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        few, many = max(4, width // 4), max(8, width // 2)
        layers: list[nn.Module] = []
        for given, made in ((channels, few), (few, many), (many, many)):
            layers += [nn.Conv2d(given, made, 3, stride=2, padding=1), nn.ReLU()]
        self.net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(GRID), nn.Flatten(), nn.Linear(many * GRID**2, width))

    def forward(self, picture: Tensor) -> Tensor:
        """Return (B, width) of pictures (B, channels, height, width)."""
        return cast(Tensor, self.net(torch.asinh(picture)))
