"""Commands that look for a good model: tuning and AutoML."""
