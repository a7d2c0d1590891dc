"""Policies."""

from __future__ import annotations

from cloudd.identity.domain.records import Records
from cloudd.identity.store.policy import Policy, PolicyStore
from cloudd.kit.service import Cloud


class Policies(Records[Policy]):
    noun = "policy"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud, PolicyStore())
