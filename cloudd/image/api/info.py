"""What clients may ask of the service itself."""

from typing import Any

from cloudd.image.domain.importing import STORE, Imports
from cloudd.kit.web import route


@route("GET", "/v2/info/import", rule="image:get_import_info")
async def show_import_methods(imports: Imports) -> dict[str, Any]:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": imports.methods}}


@route("GET", "/v2/info/stores", rule="image:get_import_info")
async def list_stores() -> dict[str, Any]:
    return {"stores": [{"id": STORE, "description": "Files on the control hosts", "default": "true"}]}
