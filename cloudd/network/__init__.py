"""The network service: OpenStack's networking API v2.0 on OVN."""
