"""Finding models by what they do and how well: a small query language, and plain phrases translated into it."""
