#!/usr/bin/python
"""Module `cloud_health_info`: the report that a cloud makes of itself."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloud_health_info
short_description: Tell how a cloud fares
description:
  - Asks cloudd's health service for its report; hosts, sagas, and drift between database, hypervisors, network engine and placement.
  - A cloud that does not answer is a finding, not a failure of the task, so that the rest of a report can still be made.
options:
  timeout_seconds:
    description: How long the cloud may take to answer.
    type: int
    default: 60
extends_documentation_fragment:
  - cloud_session
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode.
    support: full
"""

EXAMPLES = r"""
- name: See how the cloud fares
  cloud_health_info:
    cloud: quickstart
"""

RETURN = r"""
checks:
  description:
    - Each C(name), C(title) and its C(findings); a finding has C(level) (warning or error), C(subject), C(text) and C(remedy).
  type: list
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.cloud_session import SESSION_ARGUMENTS, connect

ARGUMENTS = {**SESSION_ARGUMENTS, "timeout_seconds": {"type": "int", "default": 60}}


def report(params):
    """The report's checks; one about the API alone when there is no answer."""
    try:
        session = connect(params).session
        identity = session.get_endpoint(service_type="identity").partition("/identity")[0]
        answer = session.get(f"{identity}/health/", timeout=params["timeout_seconds"], raise_exc=False)
        if answer.status_code == 200:
            return [{"name": "api", "title": "API", "findings": []}, *answer.json()["checks"]]
        text = f"answers {answer.status_code}: {answer.text[:200]}"
    except Exception as error:  # whatever keeps the cloud from answering is what is to be told
        text = f"does not answer: {type(error).__name__}: {error}"
    remedy = "see that HAProxy and cloudd-api (one host: cloudd-all) run, and who holds api_address"
    return [{"name": "api", "title": "API", "findings": [{"level": "error", "subject": "API", "text": text, "remedy": remedy}]}]


def main():
    """Ask and answer."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, checks=report(module.params))


if __name__ == "__main__":
    main()
