"""Networks by OVN: the service's objects become rows of the northbound database, and ovn-northd does the rest."""

from cloudd.network.drivers.ovn.database import Tls
from cloudd.network.drivers.ovn.driver import OvnDriver

__all__ = ["OvnDriver", "Tls"]
