"""What the trials of a search leave behind, for the search to keep or to forget."""
