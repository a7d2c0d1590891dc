"""Compute's long work, one file each."""
