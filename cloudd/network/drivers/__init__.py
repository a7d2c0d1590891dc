"""Drivers that turn the network service's rows into a working network."""
