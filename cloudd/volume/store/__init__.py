"""The volume tables and all their SQL."""
