"""One connection to libvirt that mends itself, and libvirt's errors in the driver's words."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

import libvirt

from cloudd.compute.drivers.base import DomainNotFoundError, DriverError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_LOG = logging.getLogger(__name__)
# The same moment later these may go well: the daemon restarts, a lock is held, a guest is slow.
_RETRYABLE = {
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
    libvirt.VIR_ERR_RESOURCE_BUSY,
}


class Connection:
    """Runs libvirt's blocking calls on threads; opens the connection at first use and again when it broke."""

    def __init__(self, uri: str, *, threads: int = 8) -> None:
        self.uri = uri
        self._handle: Any = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="libvirt")
        # libvirt prints every error to standard error unless told otherwise; they all reach us as exceptions.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)

    def open(self) -> Any:
        """The live virConnect; blocks, for use on a thread of `run`."""
        with self._lock:
            if self._handle is None or not self._handle.isAlive():
                try:
                    self._handle = libvirt.open(self.uri)
                except libvirt.libvirtError as error:
                    raise DriverError(
                        "libvirt_unreachable",
                        f"libvirt does not answer at {self.uri}: {error}. Is libvirtd running on this host?",
                        retryable=True,
                    ) from error
            return self._handle

    def domain(self, server_id: str) -> Any:
        """The virDomain of a server, or DomainNotFoundError."""
        domain = self.find(server_id)
        if domain is None:
            raise DomainNotFoundError(server_id)
        return domain

    def find(self, server_id: str) -> Any:
        """The virDomain of a server, or None."""
        try:
            return self.open().lookupByUUIDString(server_id)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    async def run(self, act: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call `act` on a thread; a libvirt error becomes a DriverError."""

        def call() -> _R:
            try:
                return act(*args, **kwargs)
            except libvirt.libvirtError as error:
                raise translated(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def close(self) -> None:
        """Close the connection and let the threads end."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._handle is not None:
            self._handle.close()
            self._handle = None


def translated(error: Any) -> DriverError:
    """A libvirt error in the driver's words."""
    code = error.get_error_code()
    _LOG.info("libvirt error %s in domain %s: %s", code, error.get_error_domain(), error)
    return DriverError(f"libvirt_{code}", f"libvirt: {error.get_error_message()}", retryable=code in _RETRYABLE)
