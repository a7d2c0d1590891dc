"""Routes of the health service."""
