#!/usr/bin/python
"""Module `cloudd_ready`: waits until cloudd answers, and says why when it does not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudd_ready
short_description: Waits until the API of cloudd answers over TLS
description:
  - Asks as a client would, so a certificate with a wrong name or of another authority fails too.
  - Gives up at once when the unit keeps ending, and shows the last of its journal.
options:
  url:
    description: What must answer with a status below 400.
    type: str
    required: true
  ca_path:
    description: The authority that must have signed the certificate.
    type: path
    required: true
  unit:
    description: The unit that serves it on this host.
    type: str
    default: cloudd-all.service
  timeout_seconds:
    description: How long to wait.
    type: int
    default: 60
author:
  - The maintainers
attributes:
  check_mode:
    description: Changes nothing in either mode. In check mode it asks once and takes every answer.
    support: full
"""

EXAMPLES = r"""
- name: Verify that the API answers
  cloudd_ready:
    url: https://10.83.0.11/identity/v3
    ca_path: /etc/cloudd/tls/ca.pem
"""

RETURN = r"""
waited_seconds:
  description: How long it took.
  type: float
  returned: always
"""

import ssl
import time
import urllib.error
import urllib.request

from ansible.module_utils.basic import AnsibleModule

ARGUMENTS = {
    "url": {"type": "str", "required": True},
    "ca_path": {"type": "path", "required": True},
    "unit": {"type": "str", "default": "cloudd-all.service"},
    "timeout_seconds": {"type": "int", "default": 60},
}
PAUSE_SECONDS = 0.3
ATTEMPT_SECONDS = 5
# A service may lose a race at boot once; one that ends again and again has a reason.
RESTARTS_ENDURED = 2


def ask(url: str, ca_path: str) -> str:
    """Why the address does not answer; empty when it does."""
    try:
        context = ssl.create_default_context(cafile=ca_path)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with opener.open(url, timeout=ATTEMPT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return f"answers {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def restarts(module: AnsibleModule, unit: str) -> int:
    """How often systemd has started the unit again since it was last asked to."""
    _, text, _ = module.run_command(["systemctl", "show", "--property=NRestarts", "--value", unit])
    return int(text.strip() or 0)


def main() -> None:
    """Ask until it answers, time is up, or it is plain that it will not."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    url, unit, begun = module.params["url"], module.params["unit"], time.monotonic()
    restarts_before = restarts(module, unit)
    while reason := ask(url, module.params["ca_path"]):
        if module.check_mode:
            # What is to start it is only foretold.
            break
        ended = restarts(module, unit) - restarts_before > RESTARTS_ENDURED
        if ended or time.monotonic() - begun > module.params["timeout_seconds"]:
            _, journal, _ = module.run_command(["journalctl", "--no-pager", "--lines=30", "--output=cat", "--unit", unit])
            module.fail_json(
                msg=f"{url}: {reason}" + (f"; {unit} keeps ending" if ended else "") + f"\nThe last of its journal:\n{journal.strip()}",
                code="cloudd.not_answering",
                remedy=f"mend what the journal names (`journalctl --unit {unit}` on the host has all of it), and run it again",
            )
        time.sleep(PAUSE_SECONDS)
    module.exit_json(changed=False, waited_seconds=round(time.monotonic() - begun, 1))


if __name__ == "__main__":
    main()
