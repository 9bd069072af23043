"""Which earlier result may stand in for a step, and why none does. Pure."""
