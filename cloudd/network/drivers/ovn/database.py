"""One reconnecting connection to an OVSDB database, with its replica in memory and its own thread."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from ovs import stream
from ovsdbapp.backend.ovs_idl import connection, idlutils, transaction

from cloudd.network.drivers.base import DriverError

T = TypeVar("T")
Listener = Callable[[str, Any], None]


class Replica(connection.OvsdbIdl):  # type: ignore[misc]
    """The in-memory copy; hands every change of a row to the listener of its table."""

    listeners: dict[str, Listener] = {}

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        listener = self.listeners.get(row._table.name)
        if listener is not None:
            listener(event, row)


class Step:
    """A function as a command of an ovsdbapp transaction; it may run again when the server asks to retry."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.result: Any = None

    def run_idl(self, txn: Any) -> None:
        self.result = self._function(txn)

    def post_commit(self, txn: Any) -> None:
        """Nothing to do: results carry no row ids."""


class Database:
    """`remote` is unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several parted by commas; `tables` None means all."""

    def __init__(
        self,
        remote: str,
        schema: str,
        *,
        tables: tuple[str, ...] | None = None,
        listeners: dict[str, Listener] | None = None,
        index: Callable[[Any], None] | None = None,
        timeout_seconds: int = 10,
        tls: tuple[str, str, str] | None = None,
    ) -> None:
        self._remote = remote
        self._schema = schema
        self._tables = tables
        self._listeners = listeners or {}
        self._index = index
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._connection: connection.Connection | None = None
        self._opening = threading.Lock()

    async def write(self, function: Callable[[Any], T]) -> T:
        """Run `function(txn)` in one transaction; raises DriverError when it does not go through."""
        return await asyncio.to_thread(self._write, function)

    async def read(self, function: Callable[[Any], T]) -> T:
        """Run `function(tables)` over the replica, which is whole and stands still meanwhile."""
        return await asyncio.to_thread(self._read, function)

    async def open(self) -> None:
        """Connect and copy the database; the later calls do it by themselves when this failed."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        opened, self._connection = self._connection, None
        if opened is not None:
            await asyncio.to_thread(opened.stop, self._timeout_seconds)

    def _open(self) -> connection.Connection:
        with self._opening:
            if self._connection is not None:
                return self._connection
            if self._tls is not None:
                key, certificate, authority = self._tls
                stream.Stream.ssl_set_private_key_file(key)
                stream.Stream.ssl_set_certificate_file(certificate)
                stream.Stream.ssl_set_ca_cert_file(authority)
            try:
                helper = idlutils.get_schema_helper(self._remote, self._schema)
                replica = Replica.from_server(self._remote, self._schema, helper=helper, helper_tables=self._tables)
                replica.listeners = self._listeners
                if self._index is not None:
                    self._index(replica.tables)
                opened = connection.Connection(replica, self._timeout_seconds)
                opened.start()
            except Exception as error:
                raise DriverError(f"{self._schema} at {self._remote} does not answer: {error}") from error
            self._connection = opened
            return opened

    def _write(self, function: Callable[[Any], T]) -> T:
        opened = self._open()
        step = Step(function)
        work = transaction.Transaction(SimpleNamespace(idl=opened.idl), opened, self._timeout_seconds, check_error=True, log_errors=False)
        work.add(step)
        try:
            work.commit()
        except DriverError:
            raise
        except Exception as error:
            raise DriverError(f"{self._schema} refused a change: {error}") from error
        result: T = step.result
        return result

    def _read(self, function: Callable[[Any], T]) -> T:
        opened = self._open()
        with opened.lock:
            return function(opened.idl.tables)
