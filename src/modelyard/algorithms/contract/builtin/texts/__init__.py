"""BlazingText: sentences and words."""
