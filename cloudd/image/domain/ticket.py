"""Tickets: signed leave, for some time, to fetch or to bring one image's file without a token."""

import base64
import binascii
import hmac
import time
from typing import Literal

import msgspec

from cloudd.identity.client import IdentityClient
from cloudd.image.errors import TicketRefused
from cloudd.image.settings import ImageSettings
from cloudd.kit.service import Cloud
from cloudd.kit.settings import ApiSettings

#: read: from whichever host has it; peer: from the very host that is asked; write: bring its content
Act = Literal["read", "peer", "write"]
_PURPOSE = "image.transfer"


class Ticket(msgspec.Struct, array_like=True):
    """`expires_at` in seconds since 1970."""

    act: Act
    image_id: str
    expires_at: int


class Tickets:
    """Signs with a key of the control plane; agents hold tickets, never the key."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def issue(self, act: Act, image_id: str) -> str:
        lifetime = self.cloud.settings.section(ImageSettings).transfer_ticket_seconds
        content = msgspec.json.encode(Ticket(act, image_id, int(time.time() + lifetime)))
        return f"{_text(content)}.{_text(_signature(self._keys()[0], content))}"

    def open(self, text: str, *acts: Act) -> Ticket:
        """TicketRefused unless it is one of ours, for one of these acts, and not too old."""
        head, _, tail = text.partition(".")
        try:
            content, signature = _bytes(head), _bytes(tail)
            if any(hmac.compare_digest(_signature(key, content), signature) for key in self._keys()):
                ticket = msgspec.json.decode(content, type=Ticket)
                if ticket.act in acts and ticket.expires_at > time.time():
                    return ticket
        except (binascii.Error, ValueError):
            pass
        raise TicketRefused

    def url(self, act: Act, image_id: str, base: str | None = None) -> str:
        """An address with a new ticket: at the cloud's own, or at that of one API process."""
        base = base or self.cloud.settings.section(ApiSettings).public_url
        return f"{base}/image/transfers/{self.issue(act, image_id)}"

    def _keys(self) -> list[bytes]:
        return self.cloud.client(IdentityClient).signing_keys(_PURPOSE)


def _signature(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
