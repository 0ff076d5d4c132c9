"""The maze with the green arrow: whether able agents follow the arrow past the exit."""
