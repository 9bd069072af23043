"""How a change of variants comes about: replaced at once, or in stages that are watched."""
