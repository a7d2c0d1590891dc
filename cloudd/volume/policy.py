"""The volume service's default rules. A path that names a project must name the token's."""

_OWN = " and project_id:%(project_id)s"
_READ = "rule:reader" + _OWN
_WRITE = "rule:member" + _OWN

_READS = (
    "volume:get_all", "volume:get", "volume:get_snapshots", "volume:get_snapshot", "volume:get_volume_metadata",
    "volume:get_snapshot_metadata", "volume:get_types", "volume:get_type", "volume:get_quota_set", "volume:get_limits",
    "volume:get_extensions", "volume:get_availability_zones", "volume:get_attachments", "volume:get_attachment",
    "volume:get_default_type",
)  # fmt: skip
_WRITES = (
    "volume:create", "volume:update", "volume:delete", "volume:action", "volume:update_volume_metadata", "volume:create_snapshot",
    "volume:update_snapshot", "volume:delete_snapshot", "volume:update_snapshot_metadata", "volume:snapshot_action",
)  # fmt: skip
_ADMINS = (
    "volume:manage_types", "volume:update_quota_set",
    "volume:manage_quota_classes", "volume:manage_services", "volume:get_services", "volume:get_pools",
    "volume:get_type_access", "volume:manage_type_access", "volume:manage_attachments", "volume:manage_type_extra_specs",
    "volume:get_hosts",
)  # fmt: skip

RULES = {
    **dict.fromkeys(_READS, _READ),
    **dict.fromkeys(_WRITES, _WRITE),
    **dict.fromkeys(_ADMINS, "rule:admin"),
    # asked for by the actions that only an administrator may do
    "volume:admin_action": "rule:admin",
}
