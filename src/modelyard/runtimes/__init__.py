"""How an artifact becomes a predictor. `base` is the contract; one module per format; `catalog` finds them by name."""
