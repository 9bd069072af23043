"""The commands, one module per noun; each declares itself on the group it is given."""
