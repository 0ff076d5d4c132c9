"""What a scene card is made of (see `eval/card.py`): a module for each kind of figure."""
