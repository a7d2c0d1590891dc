"""The database's schema over time: Alembic's revisions of all services' tables."""
