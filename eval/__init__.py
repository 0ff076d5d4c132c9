"""Evaluation: plays agents where proxy and reward come apart, judges, films and reports.

from sandbox_envs.eval import judge
verdict = judge(policy, "sweep")  # any callable: (observations, state) -> (actions, state)
"""

from typing import TYPE_CHECKING

from sandbox_envs.lazy import lazy_names

if TYPE_CHECKING:
    from sandbox_envs.eval.evaluation import judge

__all__ = ["judge"]

__getattr__ = lazy_names(__name__, {"judge": "sandbox_envs.eval.evaluation"})
