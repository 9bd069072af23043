"""How good a model is on traffic: estimated before the truth is known, tested once it is, and where it is worst."""
