"""Whether agents of the demonstration were merely trained too little."""
