"""Films of recorded episodes."""
