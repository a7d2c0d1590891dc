"""Placement's tables and all their SQL."""
