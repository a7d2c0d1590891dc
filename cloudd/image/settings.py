"""The section `image` of the settings."""

import msgspec

from cloudd.kit import settings


class ImageSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: where an image host keeps the images' files; the same file system must hold all of it
    directory: str = "/var/lib/cloudd/images"
    #: no image may be larger
    size_limit_bytes: int = 1024**4
    #: an upload is given up when its client sends nothing for this long
    upload_idle_timeout_seconds: float = 60
    #: how clients may import: glance-direct, web-download
    import_methods: tuple[str, ...] = ("glance-direct", "web-download")
    #: hosts (names, or networks in CIDR notation) that web-download may fetch from beside the public internet
    web_download_allowed_hosts: tuple[str, ...] = ()
    #: the CA that the API's certificate is checked with when files move between hosts; empty is the system's own
    ca_path: str | None = None
    #: an address to fetch or send a file is good for this long; a transfer that has begun goes on
    transfer_ticket_seconds: float = 3600
    #: a transfer is taken up anew when its peer sends nothing for this long
    transfer_idle_timeout_seconds: float = 30
    #: how long one host may take to fetch one image from another
    transfer_timeout_seconds: float = 3600
    #: what a compute or storage host keeps of images that no disk stands on; the least recently used go first
    cache_limit_bytes: int = 20 * 1024**3
    heartbeat_interval_seconds: float = 10


settings.declare("image", ImageSettings)
