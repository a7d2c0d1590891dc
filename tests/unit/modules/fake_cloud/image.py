"""The fake cloud's images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openstack.image.v2.image import Image

from .shelf import Shelf


class FakeImage:
    """Stands where connection.image does."""

    def __init__(self, cloud: Any) -> None:
        self.__images = Shelf(Image)

    def add_image(self, name: str) -> None:
        """Have an image from the start."""
        self.__images.put(f"image-{name}", name=name)

    def find_image(self, name_or_id: str, ignore_missing: bool = True) -> Any:
        return self.__images.find(name_or_id, ignore_missing)

    def images(self) -> Iterator[Any]:
        return self.__images.all()
