"""Traits: what a provider is, beside how much it has. Standard ones are the library's; custom ones are rows."""

import msgspec
import sqlalchemy as sa

from cloudd.kit.db import Id, metadata
from cloudd.kit.store import Store

trait_table = sa.Table("placement_trait", metadata, sa.Column("id", sa.String(255), primary_key=True))

provider_trait_table = sa.Table(
    "placement_provider_trait",
    metadata,
    sa.Column("provider_id", Id(), sa.ForeignKey("placement_resource_provider.id"), primary_key=True),
    sa.Column("trait", sa.String(255), primary_key=True, index=True),
)


class Trait(msgspec.Struct):
    id: str


class ProviderTrait(msgspec.Struct):
    provider_id: str
    trait: str


class TraitStore(Store[Trait]):
    def __init__(self) -> None:
        super().__init__(trait_table, Trait)


class ProviderTraitStore(Store[ProviderTrait]):
    def __init__(self) -> None:
        super().__init__(provider_trait_table, ProviderTrait)
