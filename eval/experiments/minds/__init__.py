"""Agents with different minds, compared at equal size and at equal competence."""
