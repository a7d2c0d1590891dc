"""The first records: domain, admin, roles and the catalog. Idempotent; a changed address or password is brought up to date."""

from __future__ import annotations

import uuid
from typing import TypeVar

import msgspec

from cloudd.identity.domain.password import Passwords
from cloudd.identity.domain.role import Assignments
from cloudd.identity.settings import IdentitySettings
from cloudd.identity.store.catalog import CatalogService, CatalogServiceStore, Endpoint, EndpointStore, Region, RegionStore
from cloudd.identity.store.domain import Domain, DomainStore
from cloudd.identity.store.project import Project, ProjectStore
from cloudd.identity.store.role import Role, RoleStore
from cloudd.identity.store.user import User, UserStore
from cloudd.kit.clock import now
from cloudd.kit.service import Cloud
from cloudd.kit.settings import ApiSettings
from cloudd.kit.store import Store

Record = TypeVar("Record", bound=msgspec.Struct)

ROLES = ("admin", "manager", "member", "reader", "service", "ResellerAdmin")

#: type, name, path behind the public address
CATALOG = (
    ("identity", "keystone", "/identity/v3"),
    ("image", "glance", "/image"),
    ("placement", "placement", "/placement"),
    ("network", "neutron", "/network"),
    ("compute", "nova", "/compute/v2.1"),
    ("block-storage", "cinder", "/volume/v3"),
    ("volumev3", "cinderv3", "/volume/v3"),
)


async def bootstrap(cloud: Cloud, admin_password: str) -> bool:
    """Make what is missing. Returns whether anything was changed."""
    api = cloud.settings.section(ApiSettings)
    passwords = Passwords(cloud.settings.section(IdentitySettings))
    admin = User(id=_id("user", "admin"), domain_id="default", name="admin", password_hash=await passwords.hash(admin_password))
    project = Project(id=_id("project", "admin"), domain_id="default", name="admin", description="The operators' project")
    changed = await _ensure(cloud, DomainStore(), Domain(id="default", name="Default", description="The default domain"))
    changed |= await _ensure(cloud, ProjectStore(), project)
    changed |= await _ensure(cloud, UserStore(), admin)
    for name in ROLES:
        changed |= await _ensure(cloud, RoleStore(), Role(id=_id("role", name), name=name))
    changed |= await _ensure(cloud, RegionStore(), Region(id=api.region))
    for kind, name, path in CATALOG:
        entry = CatalogService(id=_id("service", kind), type=kind, name=name)
        changed |= await _ensure(cloud, CatalogServiceStore(), entry)
        for interface in ("public", "internal", "admin"):
            url = f"{api.public_url}{path}"
            endpoint = Endpoint(
                id=_id("endpoint", f"{kind}.{interface}"), service_id=entry.id, region_id=api.region, interface=interface, url=url
            )
            changed |= await _ensure(cloud, EndpointStore(), endpoint, url=url)
    assignments = Assignments(cloud)
    for target, target_id in (("project", project.id), ("domain", "default"), ("system", "all")):
        if not await assignments.holds(_id("role", "admin"), "user", admin.id, target, target_id):
            await assignments.grant(_id("role", "admin"), "user", admin.id, target, target_id)
            changed = True
    return changed | await _set_password(cloud, passwords, admin.id, admin_password)


async def _ensure(cloud: Cloud, store: Store[Record], record: Record, **fields: str) -> bool:
    """Insert the record where its id is unknown; else set ``fields`` where they differ."""
    key: str = record.id  # type: ignore[attr-defined]
    async with cloud.db.write() as tx:
        known = await store.get(tx, key)
        if known is None:
            await store.insert(tx, record)
            return True
        if all(getattr(known, name) == value for name, value in fields.items()):
            return False
        await store.update(tx, key, **fields)
        return True


async def _set_password(cloud: Cloud, passwords: Passwords, user_id: str, password: str) -> bool:
    users = UserStore()
    async with cloud.db.read() as tx:
        user = await users.get(tx, user_id)
    if user is None or await passwords.matches(password, user.password_hash):
        return False
    encoded = await passwords.hash(password)
    async with cloud.db.write() as tx:
        await users.update(tx, user_id, password_hash=encoded, tokens_valid_after=now())
    return True


def _id(noun: str, name: str) -> str:
    """The same id on every run: bootstrapping twice, or on two hosts at once, makes one record."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"cloudd:{noun}:{name}").hex
