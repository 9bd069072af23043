"""Parts of the AutoML benchmark."""
