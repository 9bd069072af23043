"""A model host: one process that serves many small models. Control tells it what to load by orders on a socket."""
