"""Agents for ganttlet's environments: rules, solvers, search, policies and their training, and the evaluator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganttlet_agents.policy.acting import Policy, load_policy

__all__ = ["Policy", "load_policy"]


def __getattr__(name: str) -> Any:
    """Import what needs PyTorch only when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ganttlet.core.errors import MissingExtraError

    try:
        from ganttlet_agents.policy import acting
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "agents") from None
    return getattr(acting, name)
