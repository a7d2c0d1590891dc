"""All stores of the service, made once."""

from cloudd.network.store.address import AddressStore
from cloudd.network.store.agent import MetadataAgentStore
from cloudd.network.store.change import ChangeStore
from cloudd.network.store.floating_ip import FloatingIpStore
from cloudd.network.store.mark import MarkStore
from cloudd.network.store.network import NetworkStore
from cloudd.network.store.port import PortStore
from cloudd.network.store.quota import QuotaStore
from cloudd.network.store.router import RouterStore
from cloudd.network.store.security_group import SecurityGroupStore
from cloudd.network.store.security_group_rule import SecurityGroupRuleStore
from cloudd.network.store.subnet import SubnetStore
from cloudd.network.store.subnet_pool import SubnetPoolStore
from cloudd.network.store.tag import TagStore


class Stores:
    def __init__(self) -> None:
        self.networks = NetworkStore()
        self.subnets = SubnetStore()
        self.subnet_pools = SubnetPoolStore()
        self.ports = PortStore()
        self.addresses = AddressStore()
        self.routers = RouterStore()
        self.floating_ips = FloatingIpStore()
        self.groups = SecurityGroupStore()
        self.rules = SecurityGroupRuleStore()
        self.quotas = QuotaStore()
        self.tags = TagStore()
        self.changes = ChangeStore()
        self.agents = MetadataAgentStore()
        self.marks = MarkStore()
