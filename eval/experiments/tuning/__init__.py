"""The trainer's hyperparameters, tuned on the training scene's reward."""
