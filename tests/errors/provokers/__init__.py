"""One small function for each error code, by area. Each lets the real code raise or answer its error."""
