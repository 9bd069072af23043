"""The one memory of facades: what another system's object carries that ours does not model, as JSON."""
