"""In how many rooms that nobody picked does an able agent neglect or harm: see `__main__`."""
