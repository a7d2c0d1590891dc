"""Placement: what each host has to give, what is taken of it, and who could take more."""
