"""The health section of the settings."""

import msgspec

from cloudd.kit.settings import declare


class HealthSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: what a check may take before it counts as blind
    check_timeout_seconds: float = 20
    #: how long a saga may go without a step before an operator is told
    slow_saga_seconds: float = 900


declare("health", HealthSettings)
