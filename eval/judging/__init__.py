"""From files to verdicts. Pure: it needs numpy and scipy, and neither MuJoCo nor torch."""
