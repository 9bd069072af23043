"""Where processes run. `base` is the contract; every other module or folder is one engine."""
