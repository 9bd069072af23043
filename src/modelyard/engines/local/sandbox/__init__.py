"""The fence around a command. `stage` and `confine` run inside it or at its border, with the standard library alone."""
