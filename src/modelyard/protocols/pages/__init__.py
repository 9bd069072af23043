"""A page about each endpoint, made from its signature: `/endpoints/{endpoint}/docs` and `.../openapi.json`."""
