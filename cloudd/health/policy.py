"""Health's default rules: an administrator's alone, for it names hosts and resources of all projects."""

RULES = {"health:report": "rule:admin", "health:resume_saga": "rule:admin"}
