"""Compute's tables and all its SQL."""
