"""What AutoML can learn from, one file a kind of data; `base` states the contract, `catalog` chooses."""
