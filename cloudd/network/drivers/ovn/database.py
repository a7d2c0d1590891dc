"""One reconnecting connection to an OVSDB database or cluster of them, with its replica in memory and its own thread."""

from __future__ import annotations

import asyncio
import errno
import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
from ovs import jsonrpc, stream
from ovs.db import idl
from ovsdbapp.backend.ovs_idl import connection, transaction

from cloudd.network.drivers.base import DriverError

log = logging.getLogger(__name__)

T = TypeVar("T")
Listener = Callable[[str, Any], None]

#: A server that is silent for this long is asked whether it lives, and given up after as long again.
PROBE_MILLISECONDS = 1000
#: How long to wait before the next server is tried.
RETRY_MILLISECONDS = 250
#: How long one server may take to tell its schema.
SCHEMA_SECONDS = 2.0
#: Another client inserted the same name first: by then the replica has its row, and the work runs again over that.
CLASHES = ("constraint violation", "referential integrity violation")
CLASH_TRIES = 5
CLASH_SECONDS = 0.05


class Tls(msgspec.Struct, frozen=True):
    """Files for ssl remotes: this client's key and certificate, and who signs those of the servers."""

    key_path: str
    certificate_path: str
    ca_path: str

    @classmethod
    def of(cls, key_path: str | None, certificate_path: str | None, ca_path: str | None) -> Tls | None:
        """None unless all three are given."""
        return cls(key_path, certificate_path, ca_path) if key_path and certificate_path and ca_path else None


class Replica(connection.OvsdbIdl):  # type: ignore[misc]
    """The in-memory copy; hands every change of a row to the listener of its table."""

    listeners: dict[str, Listener] = {}

    def hurry(self) -> None:
        """Try the next server soon: the library waits up to 8 s when it has met nobody but followers, as one does during an election."""
        pace = self._session.reconnect
        pace.min_backoff = pace.max_backoff = RETRY_MILLISECONDS

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
    """`remote` is unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, several (the members of a cluster) parted by commas; `tables` None means all.

    `leader_only`: speak with the cluster's leader alone, whose replica is never behind: for who writes. Who only reads takes any member.
    A lost server is left for the next one; a transaction in flight then runs again, so what it does must bear that.
    """

    def __init__(
        self,
        remote: str,
        schema: str,
        *,
        tables: tuple[str, ...] | None = None,
        listeners: dict[str, Listener] | None = None,
        index: Callable[[Any], None] | None = None,
        timeout_seconds: int = 10,
        tls: Tls | None = None,
        leader_only: bool = True,
    ) -> None:
        self._remote = remote
        self._schema = schema
        self._tables = tables
        self._listeners = listeners or {}
        self._index = index
        self._timeout_seconds = timeout_seconds
        self._tls = tls
        self._leader_only = leader_only
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
                stream.Stream.ssl_set_private_key_file(self._tls.key_path)
                stream.Stream.ssl_set_certificate_file(self._tls.certificate_path)
                stream.Stream.ssl_set_ca_cert_file(self._tls.ca_path)
            try:
                helper = idl.SchemaHelper(None, fetch_schema(self._remote, self._schema))
                replica = Replica.from_server(
                    self._remote,
                    self._schema,
                    helper=helper,
                    helper_tables=self._tables,
                    leader_only=self._leader_only,
                    probe_interval=PROBE_MILLISECONDS,
                )
                replica.listeners = self._listeners
                replica.hurry()
                if self._index is not None:
                    self._index(replica.tables)
                opened = connection.Connection(replica, self._timeout_seconds)
                opened.start()
            except Exception as error:
                raise DriverError(f"{self._schema} at {self._remote} does not answer: {error}") from error
            self._connection = opened
            return opened

    def _write(self, function: Callable[[Any], T]) -> T:
        for tries_left in reversed(range(CLASH_TRIES)):
            try:
                return self._commit(function)
            except DriverError as error:
                if not tries_left or not any(clash in str(error) for clash in CLASHES):
                    raise
                time.sleep(CLASH_SECONDS)
        raise AssertionError("unreachable")

    def _commit(self, function: Callable[[Any], T]) -> T:
        opened = self._open()
        step = Step(function)
        work = transaction.Transaction(SimpleNamespace(idl=opened.idl), opened, self._timeout_seconds, check_error=True, log_errors=False)
        work.add(step)
        try:
            if work.commit() is None:
                raise DriverError(f"{self._schema}: the change was given up")
        except DriverError:
            raise
        except Exception as error:
            raise DriverError(f"{self._schema} refused a change: {error or type(error).__name__}") from error
        result: T = step.result
        return result

    def _read(self, function: Callable[[Any], T]) -> T:
        opened = self._open()
        with opened.lock:
            return function(opened.idl.tables)


def fetch_schema(remote: str, name: str) -> Any:
    """The schema as the first server tells it that answers in time. Raises DriverError."""
    complaints = []
    for address in (item.strip() for item in remote.split(",")):
        error, opened = stream.Stream.open_block(stream.Stream.open(address), timeout=int(SCHEMA_SECONDS * 1000))
        if error:
            complaints.append(f"{address}: error {error}")
            continue
        rpc = jsonrpc.Connection(opened)
        try:
            return _ask_schema(rpc, name)
        except DriverError as refused:
            complaints.append(f"{address}: {refused}")
        finally:
            rpc.close()
    raise DriverError("; ".join(complaints))


def _ask_schema(rpc: Any, name: str) -> Any:
    request = jsonrpc.Message.create_request("get_schema", [name])
    error = rpc.send(request)
    deadline = time.monotonic() + SCHEMA_SECONDS
    while not error and time.monotonic() < deadline:
        rpc.run()
        failed, reply = rpc.recv()
        if failed not in (0, errno.EAGAIN):
            error = failed
        elif reply is not None and reply.id == request.id:
            if reply.error:
                raise DriverError(str(reply.error))
            return reply.result
        elif reply is None:
            time.sleep(0.01)
    raise DriverError(f"error {error}" if error else "no answer")
