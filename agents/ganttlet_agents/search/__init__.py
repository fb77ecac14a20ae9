"""Decoding a policy over a native batch: greedy, best of K samples, beam, Gumbel search; the same for every family."""

from ganttlet_agents.search.batch import Decoded, Evaluator, Scorer, make_batch
from ganttlet_agents.search.beam import beam
from ganttlet_agents.search.decode import decode_many, greedy, sample
from ganttlet_agents.search.gumbel import gumbel
from ganttlet_agents.search.threshold import read_threshold

__all__ = [
    "Decoded",
    "Evaluator",
    "Scorer",
    "beam",
    "decode_many",
    "greedy",
    "gumbel",
    "make_batch",
    "read_threshold",
    "sample",
]
