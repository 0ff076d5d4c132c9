"""A zoo: a folder of recorded agents that is listed, fetched and verified; nothing in it runs."""
