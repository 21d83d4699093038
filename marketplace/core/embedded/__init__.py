"""Django database backend: a PostgreSQL of our own that starts with its first user and stops after its last."""
