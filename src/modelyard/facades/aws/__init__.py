"""The AWS APIs over our services: parse, one call, shape the answer. No rules and no tables of its own."""
