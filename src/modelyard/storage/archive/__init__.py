"""A platform's whole state in one file: written from any pair of database and object store, read into any other."""
