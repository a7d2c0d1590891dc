"""Servers on any hypervisor libvirt speaks to, chosen by URI."""
