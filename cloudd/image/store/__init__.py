"""The image tables and all their SQL."""
