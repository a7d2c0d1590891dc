"""The section `image` of the settings."""

import msgspec

from cloudd.kit import settings


class ImageSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: where the images' files are kept; the same file system must hold all of it
    directory: str = "/var/lib/cloudd/images"
    #: no image may be larger
    size_limit_bytes: int = 1024**4
    #: an upload is given up when its client sends nothing for this long
    upload_idle_timeout_seconds: float = 60
    #: how clients may import: glance-direct, web-download
    import_methods: tuple[str, ...] = ("glance-direct", "web-download")
    #: hosts (names, or networks in CIDR notation) that web-download may fetch from beside the public internet
    web_download_allowed_hosts: tuple[str, ...] = ()


settings.declare("image", ImageSettings)
