"""Where an image's bytes come from and go to, as messages to hosts say it."""

import msgspec


class ImageSource(msgspec.Struct, frozen=True):
    """An image's bytes: at `path`, where this host keeps images itself, else to be had at `url` for some time.

    `sha512` is of those bytes, empty when nobody knows it.
    """

    image_id: str
    path: str
    disk_format: str
    size_bytes: int
    sha512: str = ""
    url: str = ""

    @property
    def key(self) -> str:
        """The name of a copy: another content under the same id has another."""
        return f"{self.image_id}.{self.sha512[:16] or 'unknown'}"


class ImageTarget(msgspec.Struct, frozen=True):
    """Where a host puts what shall be an image's content: into the file `path`, where that is named, else by PUT to `url`."""

    image_id: str
    url: str
    path: str = ""
