"""Identity: who may do what, and where every service is (OpenStack Identity API v3)."""
