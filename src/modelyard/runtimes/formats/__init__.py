"""One runtime per artifact format. Nothing here is imported before an artifact of its format is loaded."""
