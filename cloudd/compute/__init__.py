"""Compute: flavors, keypairs and servers on the hosts' hypervisors, behind OpenStack's compute API v2.1."""
