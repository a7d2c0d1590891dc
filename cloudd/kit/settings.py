"""Settings: each section is a msgspec.Struct declared by its room; the file is validated as a whole at start."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

Section = TypeVar("Section", bound=msgspec.Struct)


class SettingsError(Exception):
    """The settings file cannot be used; the text says where and what to do."""


class DatabaseSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: sqlite:///relative.db, sqlite:////absolute.db or mysql://user:password@host[:port]/name
    url: str
    pool_size: int = 10
    #: certificates of the authority that signed the server's; without it MariaDB is spoken to in the clear
    ca_path: str | None = None


class BusSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: "inprocess:" for the embedded cloud, or amqps://user:password@host1:5671,host2:5671/vhost with all nodes of a RabbitMQ cluster
    url: str = "inprocess:"
    #: certificates of the authority that signed the nodes'; the system's when not given
    ca_path: str | None = None


class ApiSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: what clients are told: the catalog's and the links' base, without a trailing slash
    public_url: str
    listen_address: str = "127.0.0.1"
    port: int = 443
    tls_certificate_path: str | None = None
    tls_key_path: str | None = None
    #: how long a process that is to stop tells load balancers so before it takes no more requests
    drain_seconds: float = 0
    #: overrides of the default rules, in oslo.policy's language
    policy_path: str | None = None
    region: str = "RegionOne"


class HostSettings(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    management_address: str = "127.0.0.1"
    availability_zone: str = "nova"


class LogSettings(msgspec.Struct, forbid_unknown_fields=True):
    level: str = "info"


_sections: dict[str, type[msgspec.Struct]] = {
    "database": DatabaseSettings,
    "bus": BusSettings,
    "api": ApiSettings,
    "host": HostSettings,
    "log": LogSettings,
}
_retired: set[tuple[str, str]] = set()


def declare(name: str, kind: type[msgspec.Struct], retired: Iterable[str] = ()) -> None:
    """Add a service's section; called once at import of that service's settings.py.

    ``retired`` are options that the version before wrote and nobody reads any more: an upgrade starts this version's
    programs with the older one's file, so they are passed over. They can go one version later.
    """
    _sections[name] = kind
    _retired.update((name, option) for option in retired)


def sections() -> dict[str, type[msgspec.Struct]]:
    """All declared sections by name."""
    return dict(_sections)


class Settings:
    """The validated settings of this process: ``settings.section(ApiSettings)``."""

    def __init__(self, values: dict[str, Any], source: str = "settings") -> None:
        unknown = [key for key in values if key not in _sections]
        if unknown:
            raise SettingsError(f"{source}: unknown section {unknown[0]!r}{_nearest(unknown[0], _sections)}")
        self._by_type: dict[type, msgspec.Struct] = {}
        for name, kind in _sections.items():
            value = values.get(name)
            if isinstance(value, dict):
                value = {key: one for key, one in value.items() if (name, key) not in _retired}
            known = {field.name for field in msgspec.structs.fields(kind)}
            for key in value or {}:
                if key not in known:
                    raise SettingsError(f"{source}: unknown option {name}.{key}{_nearest(key, known)}")
            try:
                self._by_type[kind] = msgspec.convert(value or {}, kind)
            except msgspec.ValidationError as error:
                if value is None:
                    continue  # a section with required options that this process may not need
                raise SettingsError(f"{source}: section {name}: {error}") from None

    def section(self, kind: type[Section]) -> Section:
        """The section of that type. SettingsError where the file lacks it and it has options without default."""
        found = self._by_type.get(kind)
        if not isinstance(found, kind):
            name = next((n for n, k in _sections.items() if k is kind), kind.__name__)
            raise SettingsError(f"section {name!r} is missing from the settings; it has options without a default")
        return found


def load(path: str | Path) -> Settings:
    """Read and validate a YAML settings file. SettingsError says what is wrong and where."""
    try:
        values = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another file with --config") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected a mapping of sections, found {type(values).__name__}")
    return Settings(values, str(path))


def _nearest(key: str, known: Any) -> str:
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"
