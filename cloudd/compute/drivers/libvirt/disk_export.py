"""A server's files offered to other hosts over NBD and fetched from them, by QEMU's own tools; with TLS only the cloud's hosts get in."""

import random
import subprocess
import tempfile
import time
from pathlib import Path

from cloudd.compute.drivers.base import DiskOffer, DriverError
from cloudd.compute.drivers.libvirt.disk import qemu_img

# Beside the ports that libvirt's own migrations take (49152-49215).
_PORTS = range(49216, 49280)
_READY_SECONDS = 10.0
_POLL_SECONDS = 0.05


class DiskExports:
    """One process of qemu-storage-daemon an offer; they end with this one. Calls block."""

    def __init__(self, address: str, tls_directory: str) -> None:
        self.address = address or "127.0.0.1"
        self._tls_directory = tls_directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def open(self, key: str, paths: dict[str, Path]) -> int:
        """Offer the files under these names, read-only; the port. An older offer of the same key ends."""
        self.close(key)
        for port in random.sample(_PORTS, len(_PORTS)):
            if (process := self._start(port, paths)) is not None:
                self._running[key] = process
                return port
        raise DriverError("no_port_free", f"All ports {_PORTS.start}-{_PORTS.stop - 1} are taken on this host.", retryable=True)

    def close(self, key: str) -> None:
        """End an offer; fine where there is none."""
        if (process := self._running.pop(key, None)) is not None:
            process.terminate()
            process.wait()

    def close_all(self) -> None:
        """End every offer."""
        for key in list(self._running):
            self.close(key)

    def _start(self, port: int, paths: dict[str, Path]) -> "subprocess.Popen[bytes] | None":
        """The process, once it listens; None where the port is taken."""
        server = {"addr.type": "inet", "addr.host": self.address, "addr.port": str(port), "max-connections": "8"}
        if self._tls_directory:
            server["tls-creds"] = "tls0"
        command = ["qemu-storage-daemon", *self._credentials("server"), "--nbd-server", _options(server)]
        for number, (name, path) in enumerate(paths.items()):
            # Without locks: a base image, and while a guest runs its config drive, are in use.
            node = {"driver": "file", "node-name": f"f{number}", "filename": str(path), "read-only": "on", "locking": "off"}
            command += ["--blockdev", _options(node)]
            command += ["--export", _options({"type": "nbd", "id": f"e{number}", "node-name": f"f{number}", "name": name})]
        with tempfile.TemporaryDirectory(prefix="cloudd-offer-") as directory:
            pid_file = Path(directory) / "pid"
            try:
                process = subprocess.Popen([*command, "--pidfile", str(pid_file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            except FileNotFoundError:
                raise DriverError(
                    "qemu_storage_daemon_missing", "qemu-storage-daemon is not installed on this host; install qemu-system-common."
                ) from None
            # The file is there as soon as the daemon listens.
            deadline = time.monotonic() + _READY_SECONDS
            while not pid_file.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if pid_file.exists() and process.poll() is None:
                return process
        process.kill()
        _, said = process.communicate()
        if b"Address already in use" in said:
            return None
        raise DriverError("offer_failed", f"qemu-storage-daemon does not offer the server's files: {said.decode(errors='replace').strip()}")

    def fetch(self, offer: DiskOffer, name: str, size_bytes: int, target: Path) -> None:
        """Copy an offered file, holes stay holes."""
        source = {
            "driver": "raw",
            "file.driver": "nbd",
            "file.server.type": "inet",
            "file.server.host": offer.address,
            "file.server.port": str(offer.port),
            "file.export": name,
        }
        if self._tls_directory:
            source["file.tls-creds"] = "tls0"
        try:
            qemu_img("convert", "-q", *self._credentials("client"), "--image-opts", "-O", "raw", _options(source), str(target))
        except DriverError as error:
            raise DriverError("fetch_failed", f"{name} does not come from host {offer.address}: {error.message}", retryable=True) from error
        # NBD speaks in sectors; what it added at the end goes.
        with target.open("r+b") as file:
            file.truncate(size_bytes)

    def _credentials(self, endpoint: str) -> list[str]:
        if not self._tls_directory:
            return []
        facts = {"id": "tls0", "endpoint": endpoint, "dir": self._tls_directory, "verify-peer": "on"}
        return ["--object", "tls-creds-x509," + _options(facts)]


def _options(values: dict[str, str]) -> str:
    """key=value,… as QEMU's tools read it: a comma in a value is doubled."""
    return ",".join(f"{key}={value.replace(',', ',,')}" for key, value in values.items())
