"""What an agent does once something in its room is changed, from the same state on."""
