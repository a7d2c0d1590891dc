"""Health: one report on the whole cloud, for operators and for the check playbook."""
