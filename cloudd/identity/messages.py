"""What identity tells the processes of the cloud."""

from cloudd.kit.bus import Message


class IdentityChanged(Message):
    """Something that tokens depend on has changed: forget what was cached of them."""

    name = "identity.changed"
