"""Network's default rules. What a member may see or change beyond its own project is decided in the domain."""

_NOUNS = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule", "subnetpool")

RULES: dict[str, str] = {
    **{f"network:get_{noun}": "rule:reader" for noun in _NOUNS},
    **{f"network:{verb}_{noun}": "rule:member" for noun in _NOUNS for verb in ("create", "delete")},
    # A security group's rule is replaced, not changed.
    **{f"network:update_{noun}": "rule:member" for noun in _NOUNS if noun != "security_group_rule"},
    "network:add_router_interface": "rule:member",
    "network:remove_router_interface": "rule:member",
    "network:get_extension": "rule:any",
    "network:get_agent": "rule:admin",
    "network:list_agents": "rule:reader",
    "network:get_availability_zone": "rule:reader",
    "network:own_quota_project": "rule:reader",
    "network:list_quotas": "rule:admin",
    "network:get_quota": "rule:admin or (role:reader and project_id:%(project_id)s)",
    "network:update_quota": "rule:admin",
    "network:delete_quota": "rule:admin",
}
