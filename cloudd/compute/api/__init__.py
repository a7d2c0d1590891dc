"""Compute API v2.1: one file a resource."""
