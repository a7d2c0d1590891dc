"""Switching a domain off: gently, or not."""

import contextlib
import time
from typing import Any

import libvirt

_POLL_SECONDS = 0.2
# A guest that boots misses the button; it is pressed again.
_PRESS_AGAIN_SECONDS = 10.0


def shut_down(domain: Any, timeout_seconds: float) -> bool:
    """Press the power button until the guest is off; False when it is still on after the time."""
    deadline = time.monotonic() + timeout_seconds
    pressed = 0.0
    while domain.isActive():
        now = time.monotonic()
        if now >= deadline:
            return False
        if now - pressed >= _PRESS_AGAIN_SECONDS:
            pressed = now
            # It may have gone off in this very moment.
            with contextlib.suppress(libvirt.libvirtError):
                domain.shutdown()
        time.sleep(_POLL_SECONDS)
    return True


def plug_out(domain: Any, *, shutdown_seconds: float = 0) -> None:
    """Pull the plug, after the guest had that long to shut down by itself."""
    if shutdown_seconds and shut_down(domain, shutdown_seconds):
        return
    if domain.isActive():
        try:
            domain.destroy()
        except libvirt.libvirtError:
            # It went off by itself in between.
            if domain.isActive():
                raise
