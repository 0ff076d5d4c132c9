"""The demonstration's headline with other minds, at equal competence and after equal training."""
