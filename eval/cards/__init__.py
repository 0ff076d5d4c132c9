"""What a scene card is made of (see `eval/card.py`): each figure is measured in a module of its own."""
