"""Placement's conditions and the shape of its errors. The codes are public: clients compare them."""

from http import HTTPStatus
from typing import Any

from cloudd.kit.errors import Condition


class ProviderNotFound(Condition):
    code = "placement.resource_provider.not_found"
    status = 404
    message = "No resource provider with uuid {provider_id} found."


class ProviderNameTaken(Condition):
    code = "placement.duplicate_name"
    status = 409
    message = "Conflicting resource provider name or uuid: {name} already exists."


class ProviderInUse(Condition):
    code = "placement.resource_provider.inuse"
    status = 409
    message = "Unable to delete resource provider {provider_id}: Resource provider has allocations."


class ProviderHasChildren(Condition):
    code = "placement.resource_provider.cannot_delete_parent"
    status = 409
    message = "Unable to delete parent resource provider {provider_id}: It has child resource providers."


class BadParent(Condition):
    code = "placement.resource_provider.bad_parent"
    status = 400
    message = "Unable to set the parent of resource provider {provider_id}: {reason}"


class InventoryNotFound(Condition):
    code = "placement.inventory.not_found"
    status = 404
    message = "No inventory of class {resource_class} found for resource provider {provider_id}."


class InventoryExists(Condition):
    code = "placement.inventory.exists"
    status = 409
    message = "Resource provider {provider_id} already has an inventory of class {resource_class}."


class InventoryInUse(Condition):
    code = "placement.inventory.inuse"
    status = 409
    message = "Inventory for {resource_classes} on resource provider {provider_id} in use."


class ConcurrentUpdate(Condition):
    code = "placement.concurrent_update"
    status = 409
    message = "{what} generation conflict: expected {expected}, found {found}. Read it again and repeat the change."


class CapacityExceeded(Condition):
    code = "placement.allocation.capacity_exceeded"
    status = 409
    message = (
        "Unable to allocate inventory: Unable to create allocation for '{resource_class}' on resource provider '{provider_id}'. "
        "The requested amount would exceed the capacity."
    )


class AllocationUnfit(Condition):
    code = "placement.allocation.unfit"
    status = 409
    message = (
        "Unable to allocate inventory: Unable to create allocation for '{resource_class}' on resource provider '{provider_id}'. "
        "The requested amount {amount} violates min_unit, max_unit or step_size, or there is no such inventory."
    )


class AllocationsNotFound(Condition):
    code = "placement.allocation.not_found"
    status = 404
    message = "No allocations for consumer '{consumer_id}'."


class TraitNotFound(Condition):
    code = "placement.trait.not_found"
    status = 404
    message = "No such trait: {trait}."


class TraitInUse(Condition):
    code = "placement.trait.inuse"
    status = 409
    message = "The trait {trait} is in use by a resource provider."


class ClassNotFound(Condition):
    code = "placement.resource_class.not_found"
    status = 404
    message = "No such resource class: {resource_class}."


class ClassExists(Condition):
    code = "placement.resource_class.exists"
    status = 409
    message = "Resource class already exists: {resource_class}."


class ClassInUse(Condition):
    code = "placement.resource_class.inuse"
    status = 409
    message = "Error in delete resource class: Resource class {resource_class} is in use in inventory."


class BadValue(Condition):
    code = "placement.query.bad_value"
    status = 400
    message = "{reason}"


class MissingValue(Condition):
    code = "placement.query.missing_value"
    status = 400
    message = "{reason}"


#: What upstream publishes; every other condition is told as undefined, as upstream does.
PUBLIC_CODES = frozenset(
    {
        "placement.duplicate_name",
        "placement.resource_provider.inuse",
        "placement.resource_provider.cannot_delete_parent",
        "placement.resource_provider.not_found",
        "placement.inventory.inuse",
        "placement.concurrent_update",
        "placement.query.bad_value",
        "placement.query.missing_value",
    }
)


def error_body(condition: Condition, request_id: str) -> dict[str, Any]:
    return {
        "errors": [
            {
                "status": condition.status,
                "title": HTTPStatus(condition.status).phrase,
                "detail": condition.text,
                "code": condition.code if condition.code in PUBLIC_CODES else "placement.undefined_code",
                "request_id": request_id,
            }
        ]
    }
