"""Compute's default rules."""

RULES: dict[str, str] = {
    "compute:servers:list": "rule:reader",
    "compute:servers:show": "rule:reader",
    "compute:servers:create": "rule:member",
    "compute:servers:update": "rule:member",
    "compute:servers:delete": "rule:member",
    # The acts of one server, by POST /servers/{id}/action; those that are an operator's ask for an administrator beside this.
    "compute:servers:action": "rule:member",
    "compute:servers:volumes": "rule:member",
    "compute:servers:interfaces": "rule:member",
    "compute:servers:diagnostics": "rule:admin",
    "compute:flavors": "rule:any",
    "compute:flavors:manage": "rule:admin",
    # They belong to the user who asks.
    "compute:keypairs": "rule:any",
    # Other services' things as clients once saw them here; those services look at whose they are.
    "compute:images": "rule:any",
    "compute:security_groups": "rule:reader",
    "compute:security_groups:manage": "rule:member",
    "compute:availability_zones": "rule:any",
    "compute:availability_zones:detail": "rule:admin",
    "compute:limits": "rule:any",
    "compute:extensions": "rule:any",
    "compute:hypervisors": "rule:admin",
    "compute:services": "rule:admin",
    "compute:migrations": "rule:admin",
    "compute:server_migrations": "rule:admin",
    "compute:aggregates": "rule:admin",
    "compute:server_groups": "rule:reader",
    "compute:server_groups:manage": "rule:member",
    "compute:usage:list": "rule:admin",
    "compute:usage:show": "rule:admin or project_id:%(project_id)s",
    "compute:quotas:show": "rule:admin or project_id:%(project_id)s",
    "compute:quotas:defaults": "rule:any",
    "compute:quotas:manage": "rule:admin",
}
