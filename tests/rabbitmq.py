"""A private RabbitMQ for tests: nodes of their own in a temporary directory, on ports of their own, with a port mapper of their own."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from plugins.module_utils import bus_rights

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
CONTROL_PASSWORD = "control-password"


class RabbitMQ:
    """``start()`` takes about six seconds; ``kill(i)`` and ``start_node(i)`` take one of its nodes away and bring it back."""

    def __init__(self, directory: Path, node_count: int = 1) -> None:
        self.directory = directory
        self.ports = [_free_port() for _ in range(node_count)]
        self._distribution_ports = [_free_port() for _ in range(node_count)]
        self._mapper_port = _free_port()
        self._cookie = secrets.token_hex(16)
        self._servers: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        if not Path(SERVER).exists():
            raise RuntimeError("RabbitMQ is not installed; ./cloudctl test brings it (Debian package rabbitmq-server)")
        # Ours, so that we end it: each node would leave one running.
        self._mapper = subprocess.Popen(["epmd"], env=self._environment(0))
        for index in range(len(self.ports)):
            self._configure(index)
            self._spawn(index)
        for index in range(len(self.ports)):
            self._await(index)
        self.rabbitmqctl("await_online_nodes", str(len(self.ports)))

    def stop(self) -> None:
        for index in list(self._servers):
            self.kill(index)
        self._mapper.terminate()
        self._mapper.wait(10)

    def kill(self, index: int) -> None:
        """kill -9 of one node."""
        server = self._servers.pop(index)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)

    def start_node(self, index: int) -> None:
        self._spawn(index)
        self._await(index)

    def url(self, user: str = "control", password: str = CONTROL_PASSWORD) -> str:
        return f"amqp://{user}:{password}@{','.join(f'127.0.0.1:{port}' for port in self.ports)}/cloudd"

    def rabbitmqctl(self, *words: str) -> str:
        command = [SERVER.replace("-server", "ctl"), "--quiet", *words]
        done = subprocess.run(command, env=self._environment(0), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"rabbitmqctl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def add_agent(self, host: str, password: str) -> str:
        """A host's user with the rights that the deployer gives it. Returns its URL."""
        user = bus_rights.agent_user(host)
        definitions = {
            "users": [{"name": user, "password": password, "tags": []}],
            "permissions": [{"user": user, "vhost": "cloudd", **bus_rights.permissions(user)}],
            "topic_permissions": [
                {"user": user, "vhost": "cloudd", "exchange": exchange, **rights}
                for exchange, rights in bus_rights.topic_permissions(user).items()
            ],
        }
        path = self.directory / "definitions.json"
        path.write_text(json.dumps(definitions))
        self.rabbitmqctl("import_definitions", str(path))
        return self.url(user, password)

    def _configure(self, index: int) -> None:
        home = self._home(index)
        home.mkdir()
        nodes = [f"cluster_formation.classic_config.nodes.{i + 1} = {self._name(i)}" for i in range(len(self.ports))]
        (home / "rabbitmq.conf").write_text(
            "\n".join([
                f"listeners.tcp.1 = 127.0.0.1:{self.ports[index]}",
                "loopback_users = none",
                "log.console.level = warning",
                "load_definitions = " + str(self.directory / "first.json"),
                *(["cluster_formation.peer_discovery_backend = classic_config", *nodes] if len(nodes) > 1 else []),
            ])
        )  # fmt: skip
        (home / "enabled_plugins").write_text("[].")
        (home / "env.conf").touch()
        (home / ".erlang.cookie").write_text(self._cookie)
        (home / ".erlang.cookie").chmod(0o400)
        first = {
            "vhosts": [{"name": "cloudd"}],
            "users": [{"name": "control", "password": CONTROL_PASSWORD, "tags": []}],
            "permissions": [{"user": "control", "vhost": "cloudd", "configure": ".*", "write": ".*", "read": ".*"}],
        }
        (self.directory / "first.json").write_text(json.dumps(first))

    def _spawn(self, index: int) -> None:
        log = (self._home(index) / "console.log").open("ab")
        self._servers[index] = subprocess.Popen([SERVER], env=self._environment(index), stdout=log, stderr=log, start_new_session=True)

    def _await(self, index: int) -> None:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[index]), timeout=1):
                return
            if self._servers[index].poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"RabbitMQ did not start: {(self._home(index) / 'console.log').read_text()[-3000:]}")

    def _environment(self, index: int) -> dict[str, str]:
        home = self._home(index)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RABBITMQ_NODENAME": self._name(index),
            "RABBITMQ_DIST_PORT": str(self._distribution_ports[index]),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "env.conf"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            # One scheduler that does not spin: enough for a test, and its neighbours on the machine keep their time.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }

    def _home(self, index: int) -> Path:
        return self.directory / f"node{index}"

    def _name(self, index: int) -> str:
        return f"node{index}@localhost"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
