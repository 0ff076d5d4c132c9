"""Which objective the choices of the demonstration's agents speak for."""
