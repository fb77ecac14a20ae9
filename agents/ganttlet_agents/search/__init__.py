"""Decoding a policy over a native batch: greedy, best of K samples, beam; NumPy only, the same for every family."""

from ganttlet_agents.search.batch import Decoded, Scorer, make_batch
from ganttlet_agents.search.beam import beam
from ganttlet_agents.search.decode import decode_many, greedy, sample
from ganttlet_agents.search.threshold import read_threshold

__all__ = ["Decoded", "Scorer", "beam", "decode_many", "greedy", "make_batch", "read_threshold", "sample"]
