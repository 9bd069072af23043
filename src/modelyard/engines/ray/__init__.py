"""The engine of a Ray cluster. The only package that imports ray, and only when it is used: it is an extra."""
