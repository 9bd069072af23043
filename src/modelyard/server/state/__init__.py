"""The whole state of a platform: exported to a file, imported from one, and kept before an upgrade."""
