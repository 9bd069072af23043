"""Search: expressions over what the other operations describe."""
