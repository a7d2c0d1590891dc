"""Tables and SQL of the network service."""
