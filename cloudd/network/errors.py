"""The network service's conditions, under the names by which Neutron's clients know them."""

from __future__ import annotations

from cloudd.kit.errors import Condition


class InvalidInput(Condition):
    """Anything wrong with the values of a request; `type_name` may name a closer upstream type."""

    code = "network.invalid_input"
    status = 400
    type_name = "InvalidInput"
    message = "Invalid input for operation: {reason}"

    def __init__(self, *, reason: str, type_name: str = "InvalidInput") -> None:
        super().__init__(reason=reason.removeprefix("Invalid input for operation: "))
        self.type_name = type_name  # type: ignore[misc]
        if type_name != "InvalidInput" or self.fields["reason"].startswith("Invalid input for "):
            self.text = self.fields["reason"]


class AdminOnly(Condition):
    code = "network.admin_only"
    status = 403
    type_name = "PolicyNotAuthorized"
    message = "({rule}) is disallowed by policy"


class QuotaExceeded(Condition):
    code = "network.quota_exceeded"
    status = 409
    type_name = "OverQuota"
    message = "Quota exceeded for resources: ['{resource}']."


class NetworkNotFound(Condition):
    code = "network.network.not_found"
    status = 404
    type_name = "NetworkNotFound"
    message = "Network {network_id} could not be found."


class NetworkInUse(Condition):
    code = "network.network.in_use"
    status = 409
    type_name = "NetworkInUse"
    message = "Unable to complete operation on network {network_id}. There are one or more ports still in use on the network."


class SegmentInUse(Condition):
    code = "network.network.segment_in_use"
    status = 409
    type_name = "SegmentInUse"
    message = "Unable to create the network. The segment {segment} is in use."


class NoVlanLeft(Condition):
    code = "network.network.no_vlan_left"
    status = 409
    type_name = "NoNetworkAvailable"
    message = "Unable to create the network. Each VLAN from {low} to {high} of the physical network {physical_network} has one already."


class SharedNetworkInUse(Condition):
    code = "network.network.shared_in_use"
    status = 409
    type_name = "InvalidSharedSetting"
    message = "Unable to reconfigure sharing settings for network {network_id}. Multiple tenants are using it."


class ExternalNetworkInUse(Condition):
    code = "network.network.external_in_use"
    status = 409
    type_name = "ExternalNetworkInUse"
    message = "External network {network_id} cannot be updated to be made non-external, since it has existing gateway ports."


class SubnetNotFound(Condition):
    code = "network.subnet.not_found"
    status = 404
    type_name = "SubnetNotFound"
    message = "Subnet {subnet_id} could not be found."


class SubnetInUse(Condition):
    code = "network.subnet.in_use"
    status = 409
    type_name = "SubnetInUse"
    message = "Unable to complete operation on subnet {subnet_id}: One or more ports have an IP allocation from this subnet."


class GatewayInUse(Condition):
    code = "network.subnet.gateway_in_use"
    status = 409
    type_name = "GatewayIpInUse"
    message = "Current gateway ip {ip_address} already in use by port {port_id}. Unable to update."


class GatewayConflict(Condition):
    code = "network.subnet.gateway_conflict"
    status = 409
    type_name = "GatewayConflictWithAllocationPools"
    message = "Gateway ip {ip_address} conflicts with allocation pool {pool}."


class SubnetPoolNotFound(Condition):
    code = "network.subnet_pool.not_found"
    status = 404
    type_name = "SubnetPoolNotFound"
    message = "Subnet pool {subnetpool_id} could not be found."


class SubnetPoolInUse(Condition):
    code = "network.subnet_pool.in_use"
    status = 409
    type_name = "SubnetPoolDeleteError"
    message = "Unable to delete subnet pool: Subnet pool has existing allocations."


class SubnetPoolExhausted(Condition):
    code = "network.subnet_pool.exhausted"
    status = 409
    type_name = "SubnetAllocationError"
    message = "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /{prefixlen}."


class PortNotFound(Condition):
    code = "network.port.not_found"
    status = 404
    type_name = "PortNotFound"
    message = "Port {port_id} could not be found."


class PortInUse(Condition):
    code = "network.port.in_use"
    status = 409
    type_name = "PortInUse"
    message = "Unable to complete operation on port {port_id} for network {network_id}. Port already has an attached device {device_id}."


class ServicePortInUse(Condition):
    code = "network.port.in_use_by_service"
    status = 409
    type_name = "ServicePortInUse"
    message = "Port {port_id} cannot be deleted directly via the port API: {reason}"


class MacInUse(Condition):
    code = "network.port.mac_in_use"
    status = 409
    type_name = "MacAddressInUse"
    message = "Unable to complete operation for network {network_id}. The mac address {mac_address} is in use."


class AddressInUse(Condition):
    code = "network.address.in_use"
    status = 409
    type_name = "IpAddressInUse"
    message = "Unable to complete operation for network {network_id}. The IP address {ip_address} is in use."


class AddressesExhausted(Condition):
    code = "network.address.exhausted"
    status = 409
    type_name = "IpAddressGenerationFailure"
    message = "No more IP addresses available on network {network_id}."


class PortSecurityDisabled(Condition):
    code = "network.port.security_disabled"
    status = 400
    type_name = "PortSecurityAndIPRequiredForSecurityGroups"
    message = "Port security must be enabled and port must have an IP address in order to use security groups."


class PortSecurityHasGroups(Condition):
    code = "network.port.security_has_groups"
    status = 409
    type_name = "PortSecurityPortHasSecurityGroup"
    message = "Port has security group associated. Cannot disable port security or IP address until security group is removed."


class PortBound(Condition):
    code = "network.port.bound"
    status = 409
    type_name = "PortBound"
    message = "Unable to complete operation on port {port_id}, port is already bound, port type: ovs, old_mac {old_mac}, new_mac {new_mac}."


class AddressPairsNeedPortSecurity(Condition):
    code = "network.port.pairs_need_security"
    status = 409
    type_name = "AddressPairAndPortSecurityRequired"
    message = "Port Security must be enabled in order to have allowed address pairs on a port."


class RouterNotFound(Condition):
    code = "network.router.not_found"
    status = 404
    type_name = "RouterNotFound"
    message = "Router {router_id} could not be found"


class RouterInUse(Condition):
    code = "network.router.in_use"
    status = 409
    type_name = "RouterInUse"
    message = "Router {router_id} still has ports"


class RouterInterfaceNotFound(Condition):
    code = "network.router.interface_not_found"
    status = 404
    type_name = "RouterInterfaceNotFound"
    message = "Router {router_id} does not have an interface with id {port_id}"


class RouterInterfaceNotFoundForSubnet(Condition):
    code = "network.router.interface_not_found_for_subnet"
    status = 404
    type_name = "RouterInterfaceNotFoundForSubnet"
    message = "Router {router_id} has no interface on subnet {subnet_id}"


class RouterInterfaceInUse(Condition):
    code = "network.router.interface_in_use"
    status = 409
    type_name = "RouterInterfaceInUseByFloatingIP"
    message = (
        "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by one or more floating IPs."
    )


class RouterInterfaceInUseByRoute(Condition):
    code = "network.router.interface_in_use_by_route"
    status = 409
    type_name = "RouterInterfaceInUseByRoute"
    message = "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by one or more routes."


class GatewayInUseByFloatingIp(Condition):
    code = "network.router.gateway_in_use"
    status = 409
    type_name = "RouterExternalGatewayInUseByFloatingIp"
    message = (
        "Gateway cannot be updated for router {router_id}, "
        "since a gateway to external network {network_id} is required by one or more floating IPs."
    )


class FloatingIpNotFound(Condition):
    code = "network.floating_ip.not_found"
    status = 404
    type_name = "FloatingIPNotFound"
    message = "Floating IP {floatingip_id} could not be found"


class FloatingIpPortInUse(Condition):
    code = "network.floating_ip.port_in_use"
    status = 409
    type_name = "FloatingIPPortAlreadyAssociated"
    message = (
        "Cannot associate floating IP {floating_ip_address} with port {port_id} using fixed IP {fixed_ip}, "
        "as that fixed IP already has a floating IP on external network {network_id}."
    )


class FloatingIpUnreachable(Condition):
    code = "network.floating_ip.unreachable"
    status = 404
    type_name = "ExternalGatewayForFloatingIPNotFound"
    message = (
        "External network {network_id} is not reachable from subnet {subnet_id}. "
        "Therefore, cannot associate Port {port_id} with a Floating IP."
    )


class SecurityGroupNotFound(Condition):
    code = "network.security_group.not_found"
    status = 404
    type_name = "SecurityGroupNotFound"
    message = "Security group {security_group_id} does not exist"


class SecurityGroupNotAssociated(Condition):
    code = "network.security_group.not_associated"
    status = 404
    type_name = "SecurityGroupNotFound"
    message = "Security group {security_group_id} is not associated with the instance {device_id}"


class SecurityGroupNotApplicable(Condition):
    code = "network.security_group.not_applicable"
    status = 400
    type_name = "SecurityGroupCannotBeApplied"
    message = "Security group {security_group_id} cannot be applied: no port of the instance {device_id} has port security"


class SecurityGroupInUse(Condition):
    code = "network.security_group.in_use"
    status = 409
    type_name = "SecurityGroupInUse"
    message = "Security Group {security_group_id} in use."


class DefaultSecurityGroup(Condition):
    code = "network.security_group.default"
    status = 409
    type_name = "SecurityGroupCannotRemoveDefault"
    message = "Insufficient rights for removing default security group."


class DefaultSecurityGroupExists(Condition):
    code = "network.security_group.default_exists"
    status = 409
    type_name = "SecurityGroupDefaultAlreadyExists"
    message = "Default security group already exists."


class SecurityGroupRuleNotFound(Condition):
    code = "network.security_group_rule.not_found"
    status = 404
    type_name = "SecurityGroupRuleNotFound"
    message = "Security group rule {rule_id} does not exist"


class SecurityGroupRuleExists(Condition):
    code = "network.security_group_rule.exists"
    status = 409
    type_name = "SecurityGroupRuleExists"
    message = "Security group rule already exists. Rule id is {rule_id}."


class NetworkAmbiguous(Condition):
    code = "network.attachment.ambiguous"
    status = 409
    message = "Multiple possible networks found, use a Network ID to be more specific."


class NetworkRequiresSubnet(Condition):
    code = "network.attachment.requires_subnet"
    status = 400
    message = "Network {network_id} requires a subnet in order to boot instances on."


class ExternalNetworkForbidden(Condition):
    code = "network.attachment.external"
    status = 403
    message = "It is not allowed to create an interface on external network {network_id}"


class SecurityGroupAmbiguous(Condition):
    code = "network.attachment.security_group_ambiguous"
    status = 409
    message = "Multiple security groups found matching '{name}'. Use an ID to be more specific."


class TagNotFound(Condition):
    code = "network.tag.not_found"
    status = 404
    type_name = "TagNotFound"
    message = "Tag {tag} could not be found."


class HostNotFound(Condition):
    code = "network.agent.not_found"
    status = 404
    type_name = "AgentNotFound"
    message = "Agent {agent_id} could not be found."


class ExtensionNotFound(Condition):
    code = "network.extension.not_found"
    status = 404
    type_name = "ExtensionNotFound"
    message = "Extension with alias {alias} does not exist"


class EngineUnavailable(Condition):
    code = "network.engine.unavailable"
    status = 503
    type_name = "ServiceUnavailable"
    message = "The network engine does not answer: {reason}"
    retryable = True
