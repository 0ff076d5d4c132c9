"""Exploration is held long enough to leave a trace, and does not depend on the state."""

import numpy as np

from sandbox_envs.train.exploration import HELD, SD, WINDOW, exploration

STEPS, N = 500, 64


def drawn(share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Actions (STEPS, N, 2) applied for 0.2 without noise, and where they are random (STEPS, N)."""
    made = exploration(np.random.default_rng(seed), STEPS, N, 2, share)
    actions = np.full((N, 2), 0.2)
    return np.stack([made.applied(actions, step) for step in range(STEPS)]), made.random


def test_random_plans_replace_the_agent_for_whole_windows_in_a_share_of_the_time() -> None:
    done, random = drawn(0.25)
    assert random.mean() == np.mean((done != 0.2).all(-1))
    assert abs(random.mean() - 0.25) < 0.04
    begins, ends = (np.argwhere(np.diff(random.astype(int), axis=0) == k) for k in (1, -1))
    for row in range(N):
        on, off = (found[found[:, 1] == row, 0] for found in (begins, ends))
        off = off[off > on[0]] if len(on) else off[:0]
        assert ((off - on[: len(off)]) % WINDOW == 0).all()
    assert not drawn(0.0)[1].any()
    assert drawn(1.0)[1].all()


def test_noise_is_held_and_has_the_standard_deviation_that_is_asked_for() -> None:
    made = exploration(np.random.default_rng(0), STEPS, N, 2, 0.0)
    done = np.stack([made.applied(np.zeros((N, 2)), step, sd=0.1) for step in range(STEPS)])
    assert abs(done.std() - 0.1) < 0.01
    changes = (np.diff(done, axis=0) != 0).mean()
    assert abs(1 / changes - HELD) < 0.5
    plans = exploration(np.random.default_rng(0), STEPS, N, 2, 1.0).applied(done[0], 0)
    np.testing.assert_allclose(plans, np.clip(SD * done[0] / 0.1, -1, 1))
    assert (drawn(0.5)[0] == drawn(0.5)[0]).all()
    assert (drawn(0.5)[0] != drawn(0.5, seed=1)[0]).any()
