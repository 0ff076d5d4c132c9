"""Hyperparameters that are compared with several seeds each."""

# The trainer's defaults when the search started, kept here as the defaults have changed since.
START: dict[str, float] = {
    "learning_rate": 5e-4,
    "num_envs": 128,
    "num_steps": 64,
    "num_minibatches": 4,
    "update_epochs": 3,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_coef": 0.2,
    "hidden_size": 128,
}

# Where the finals differ from the start: two of the best trials as they were (few, narrow), and
# what is common to the best at sizes that simulate faster: smaller minibatches, fewer epochs.
FINALISTS: dict[str, dict[str, float]] = {
    "start": {},
    "few": {"num_envs": 32, "num_minibatches": 8, "update_epochs": 2, "learning_rate": 4.5e-4,
            "clip_coef": 0.3},
    "narrow": {"num_envs": 256, "num_steps": 32, "num_minibatches": 8, "learning_rate": 7e-4,
               "gamma": 0.97, "gae_lambda": 0.9, "clip_coef": 0.3, "hidden_size": 64},
    "small_batches": {"num_minibatches": 16, "update_epochs": 2, "learning_rate": 4.5e-4,
                      "clip_coef": 0.3},
    "one_epoch": {"num_minibatches": 8, "update_epochs": 1, "learning_rate": 1.2e-3,
                  "gamma": 0.98},
    "long": {"num_envs": 64, "num_steps": 128, "update_epochs": 1, "learning_rate": 1.5e-3,
             "gamma": 0.97, "gae_lambda": 0.9},
}  # fmt: skip
