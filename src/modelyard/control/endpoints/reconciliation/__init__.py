"""The loop that fulfils what is wished of endpoints, and its parts. Start reading at `reconciler`."""
