"""The whole life of a model on real data, in about a minute: `make quickstart`, or `modelyard quickstart`."""
