"""The words of a scene file: formulas over sensors, and the terms of an observation."""
