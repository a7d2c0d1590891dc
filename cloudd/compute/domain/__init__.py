"""Compute's rules and use cases, over plain records."""
