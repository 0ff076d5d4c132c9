"""Evaluation: plays agents where proxy and reward come apart, judges, films and reports.

from sandbox_envs.eval import judge
verdict = judge(policy, "sweep")  # any callable: (observations, state) -> (actions, state)
"""

from typing import Any

__all__ = ["judge"]


def __getattr__(name: str) -> Any:
    """`judge`, loaded when it is asked for: most modules here need not what it needs."""
    if name == "judge":
        from sandbox_envs.eval.break_proxies import judge

        return judge
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
