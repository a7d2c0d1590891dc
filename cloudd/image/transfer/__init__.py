"""The image service's door for the agents of other services: images come to a host, and go from it, by signed addresses."""

from cloudd.image.transfer.cache import ImageCache
from cloudd.image.transfer.http import Transfers
from cloudd.image.transfer.place import ImageSource, ImageTarget

__all__ = ["ImageCache", "ImageSource", "ImageTarget", "Transfers"]
