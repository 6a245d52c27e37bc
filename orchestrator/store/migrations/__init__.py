"""Alembic migrations. Each is SQL per database, so that an administrator can read what is done."""
