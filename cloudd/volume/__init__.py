"""Block storage: volumes, snapshots and their types, served as the volume API v3."""
