"""The services' one entry point: cloudd all | api | worker | agent | settings | db | bootstrap | status | forget."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from cloudd import __doc__ as description
from cloudd import assembly
from cloudd.kit import log as kit_log
from cloudd.kit.settings import LogSettings, Settings, SettingsError, load

#: How long a worker that is to stop lets its sagas come to the end of their step.
GRACE_SECONDS = 10


def main() -> None:
    """Parse the command line and run; errors in settings end with one line and status 2."""
    arguments = _parser().parse_args()
    try:
        assembly.declare_settings()
        settings = load(arguments.config)
        kit_log.configure(settings.section(LogSettings).level)
        work: Coroutine[Any, Any, int] = arguments.run(settings, arguments)
        sys.exit(uvloop.run(work))
    except SettingsError as error:
        sys.stderr.write(f"cloudd: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cloudd", description=description)
    parser.add_argument("--config", default="/etc/cloudd/cloudd.yaml", metavar="PATH", help="settings file (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        # Accepted behind the command as well.
        made.add_argument("--config", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return made

    command("all", _all, "API, worker and agents in one process: the embedded cloud")
    command("api", _api, "the API of all services")
    command("worker", _worker, "sagas and reconcilers")
    agent = command("agent", _agent, "the part of services that runs on a host")
    agent.add_argument("part", nargs="+", choices=assembly.AGENTS)
    command("settings", _settings, "look at the settings file and end: status 0 when every option is known and fits")
    database = command("db", _db, "the database's schema")
    database.add_argument("verb", choices=("upgrade", "expand", "current"), help="expand: only what the version before can live with")
    first = command("bootstrap", _bootstrap, "make the admin user, the roles and the catalog; idempotent")
    first.add_argument("--password-file", help="file with the admin's password (default: standard input)")
    status = command("status", _status, "agents, workers, queues, and sagas under way and stuck")
    status.add_argument("--json", action="store_true")
    gone = command("forget", _forget, "remove the records of a host that has left; refused while servers or volumes are on it")
    gone.add_argument("host")
    gone.add_argument("--only-ask", action="store_true", help="say what is on it, and change nothing")
    return parser


async def _all(settings: Settings, _: argparse.Namespace) -> int:
    from cloudd.server import serve

    process = assembly.Process(settings)
    await process.start()
    # The agents ask the control plane as they start; sagas that were cut off go on at once and need the agents.
    process.serve_topics()
    await process.start_agents()
    await process.start_worker(alone=True)
    await serve(process)
    return 0


async def _api(settings: Settings, _: argparse.Namespace) -> int:
    from cloudd.server import serve

    process = assembly.Process(settings)
    await process.start()
    await serve(process)
    return 0


async def _worker(settings: Settings, _: argparse.Namespace) -> int:
    from cloudd.server import until_stopped

    process = assembly.Process(settings)
    await process.start()
    process.serve_topics()
    await process.start_worker(alone=False)
    await until_stopped()
    await process.stop(GRACE_SECONDS)
    return 0


async def _agent(settings: Settings, arguments: argparse.Namespace) -> int:
    from importlib import import_module

    from cloudd.server import until_stopped

    bus = assembly.make_bus(settings)
    await bus.start()
    agents = [import_module(f"cloudd.{part}.agent").build(settings, bus) for part in arguments.part]
    for agent in agents:
        await agent.start()
    await until_stopped()
    for agent in reversed(agents):
        await agent.stop()
    await bus.close()
    return 0


async def _settings(_read: Settings, _: argparse.Namespace) -> int:
    # They were looked at before the command ran.
    return 0


async def _db(settings: Settings, arguments: argparse.Namespace) -> int:
    from cloudd.migrations import schema
    from cloudd.migrations.turn import turn

    before = await schema.current(settings)
    if arguments.verb != "current":
        async with turn(settings):
            # Another host may have been first.
            before = await schema.current(settings)
            await (schema.upgrade if arguments.verb == "upgrade" else schema.expand)(settings)
    after = await schema.current(settings)
    sys.stdout.write(json.dumps({"before": before, "after": after, "changed": before != after}) + "\n")
    return 0


async def _bootstrap(settings: Settings, arguments: argparse.Namespace) -> int:
    from cloudd.identity.bootstrap import bootstrap
    from cloudd.migrations.turn import turn

    text = Path(arguments.password_file).read_text() if arguments.password_file else await asyncio.to_thread(sys.stdin.readline)
    if not text.strip():
        raise SettingsError("the admin's password is empty; give it on standard input or with --password-file")
    process = assembly.Process(settings, ("identity",))
    async with turn(settings):
        changed = await bootstrap(process.cloud, text.strip())
    await process.cloud.db.close()
    sys.stdout.write(json.dumps({"changed": changed}) + "\n")
    return 0


async def _status(settings: Settings, arguments: argparse.Namespace) -> int:
    from cloudd.status import report

    return await report(settings, as_json=arguments.json)


async def _forget(settings: Settings, arguments: argparse.Namespace) -> int:
    from cloudd.departure import depart

    return await depart(settings, arguments.host, only_ask=arguments.only_ask)


if __name__ == "__main__":
    main()
