"""The fake cloud has no face that the SDK lacks: each method exists there and takes the same arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from openstack.block_storage.v3._proxy import Proxy as BlockStorage
from openstack.compute.v2._proxy import Proxy as Compute
from openstack.image.v2._proxy import Proxy as Image
from openstack.network.v2._proxy import Proxy as Network

from tests.unit.modules.fake_cloud.block_storage import FakeBlockStorage
from tests.unit.modules.fake_cloud.compute import FakeCompute
from tests.unit.modules.fake_cloud.image import FakeImage
from tests.unit.modules.fake_cloud.network import FakeNetwork

# What tests use to set the scene; the SDK has no such thing.
SCENERY = ("add_", "drop_", "keep", "set_attachment", "break_", "_")


def methods() -> list[Any]:
    pairs = {FakeCompute: Compute, FakeNetwork: Network, FakeImage: Image, FakeBlockStorage: BlockStorage}
    return [
        pytest.param(method, real, id=f"{fake.__name__}.{name}")
        for fake, real in pairs.items()
        for name, method in inspect.getmembers(fake, inspect.isfunction)
        if not name.startswith(SCENERY)
    ]


@pytest.mark.parametrize(("method", "real"), methods())
def test_method_is_the_sdks(method: Any, real: Any) -> None:
    theirs = inspect.signature(getattr(real, method.__name__)).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in theirs.values())
    ours = [one for one in inspect.signature(method).parameters.values() if one.kind is not one.VAR_KEYWORD]
    for position, parameter in enumerate(ours):
        assert parameter.name in theirs or takes_any, parameter.name
        if parameter.default is parameter.empty:
            assert list(theirs)[position] == parameter.name
