"""The agents of the study: seeds of each family, and settings that differ from the defaults."""

SEEDS = {
    "sweep": range(1001, 1011),
    "patrol": range(1001, 1004),
    "keeper": range(1001, 1004),
    "maze": range(1001, 1002),
}
SETTINGS = {"maze": {"total_timesteps": 10_000_000}}  # other families: the trainer's defaults
