"""HTTP routes of the network service."""
