"""How each kind of file is read: the mechanics below tables, images and schema."""
