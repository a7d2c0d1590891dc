"""The image service's default rules; what an image's visibility allows is decided in its domain."""

RULES = {
    "image:get_images": "rule:any",
    "image:get_image": "rule:any",
    "image:download_image": "rule:reader",
    "image:get_schemas": "rule:any",
    "image:get_import_info": "rule:any",
    "image:get_members": "rule:any",
    "image:add_image": "rule:member",
    "image:modify_image": "rule:member",
    "image:delete_image": "rule:member",
    "image:upload_image": "rule:member",
    "image:modify_member": "rule:member",
    "image:deactivate": "rule:member",
    "image:reactivate": "rule:member",
}
