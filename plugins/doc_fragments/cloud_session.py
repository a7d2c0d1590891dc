"""The options that every cloud_* module shares: how to reach the cloud, and how long to wait for it."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc; SESSION_ARGUMENTS and WAIT_ARGUMENTS of module_utils/cloud_session.py say the same in code."""

    DOCUMENTATION = r"""
requirements:
  - openstacksdk >= 4.0
options:
  cloud:
    description:
      - Name of the cloud in C(clouds.yaml). Without it and without O(auth), the environment's C(OS_*) variables are used.
    type: str
  auth:
    description:
      - What the cloud's identity service asks for, such as C(auth_url), C(username), C(password), C(project_name),
        C(user_domain_name) and C(project_domain_name).
    type: dict
  auth_type:
    description:
      - Name of the identity plugin, C(password) if nothing says otherwise.
    type: str
  region_name:
    description:
      - Name of the region.
    type: str
  interface:
    description:
      - Which endpoints of the catalog to use.
    type: str
    choices: [public, internal, admin]
    default: public
    aliases: [endpoint_type]
  validate_certs:
    description:
      - Whether the cloud's certificate must be valid. Without it, C(clouds.yaml) decides.
    type: bool
    aliases: [verify]
  ca_cert:
    description:
      - Path of the CA certificate that signed the cloud's.
    type: path
    aliases: [cacert]
  api_timeout_seconds:
    description:
      - How long one request may take.
    type: int
notes:
  - The names of O(cloud), O(auth) and their kin are those of the C(openstack.cloud) collection.
"""

    WAIT = r"""
options:
  wait:
    description:
      - Whether to wait until the cloud has done what it accepted.
    type: bool
    default: true
  timeout_seconds:
    description:
      - How long to wait for each step.
    type: int
    default: 300
"""
