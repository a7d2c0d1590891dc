"""Identity's default rules."""

OWNER = "user_id:%(user_id)s"

_ADMIN_NOUNS = ("domain", "project", "user", "group", "role", "service", "endpoint", "region", "policy")

RULES: dict[str, str] = {
    **{f"identity:{verb}_{noun}": "rule:admin" for noun in _ADMIN_NOUNS for verb in ("create", "update", "delete", "list", "show")},
    # Names are looked up by every client that is given one; what a plain user sees is its own.
    "identity:show_project": "rule:admin or project_id:%(project_id)s",
    "identity:show_user": f"rule:admin or {OWNER}",
    "identity:show_domain": "rule:any",
    "identity:list_region": "rule:any",
    "identity:show_region": "rule:any",
    "identity:list_user_projects": f"rule:admin or {OWNER}",
    "identity:list_user_groups": f"rule:admin or {OWNER}",
    "identity:change_password": f"rule:admin or {OWNER}",
    "identity:group_members": "rule:admin",
    "identity:project_tags": "rule:admin or project_id:%(project_id)s",
    "identity:update_project_tags": "rule:admin",
    "identity:grants": "rule:admin",
    "identity:list_role_assignments": "rule:admin",
    "identity:check_token": "rule:any",
    "identity:revoke_token": "rule:any",
    "identity:auth_scopes": "rule:any",
    # Whose they are is looked at where they are kept.
    "identity:credentials": "rule:any",
    "identity:trusts": "rule:any",
    "identity:application_credentials": OWNER,
    "identity:show_application_credentials": f"rule:admin or {OWNER}",
}
