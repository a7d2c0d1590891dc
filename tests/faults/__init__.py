"""Faults made in a living cloud of lab hosts, under load: what each costs, as a table."""
