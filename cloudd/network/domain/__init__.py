"""Rules and use cases of the network service."""
