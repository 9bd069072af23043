"""How candidates are judged: cross-validation, figures, latency, what to expect, and who does well together."""
