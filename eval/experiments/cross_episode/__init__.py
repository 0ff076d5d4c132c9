"""Whether selection between agents makes them do now what pays in the next episode."""
