"""Built-in training algorithms, one file each. `base` is the contract, `catalog` finds them by name."""
