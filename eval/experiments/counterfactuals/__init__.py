"""What agents of the demonstration do once their room is changed."""
