"""Where state lives: the database (SQLite or PostgreSQL), its migrations, and objects (files or S3)."""
