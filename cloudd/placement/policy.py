"""Placement's default rules: an administrator's API, but that a project may read its own usage."""

_ADMIN = (
    "resource_providers:list", "resource_providers:create", "resource_providers:show", "resource_providers:update",
    "resource_providers:delete",
    "resource_providers:inventories:list", "resource_providers:inventories:create", "resource_providers:inventories:show",
    "resource_providers:inventories:update", "resource_providers:inventories:delete",
    "resource_providers:aggregates:list", "resource_providers:aggregates:update",
    "resource_providers:traits:list", "resource_providers:traits:update", "resource_providers:traits:delete",
    "resource_providers:usages", "resource_providers:allocations:list",
    "resource_classes:list", "resource_classes:create", "resource_classes:show", "resource_classes:update", "resource_classes:delete",
    "traits:list", "traits:show", "traits:update", "traits:delete",
    "allocations:list", "allocations:manage", "allocations:update", "allocations:delete",
    "allocation_candidates:list", "reshaper:reshape",
)  # fmt: skip

RULES = {**{f"placement:{name}": "rule:admin" for name in _ADMIN}, "placement:usages": "rule:reader"}
