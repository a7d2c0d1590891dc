"""The section `placement` of the settings."""

import msgspec

from cloudd.kit import settings


class PlacementSettings(msgspec.Struct, forbid_unknown_fields=True):
    #: shuffle the candidates, so that equal hosts fill evenly when a client takes the first of them
    randomize_allocation_candidates: bool = False


settings.declare("placement", PlacementSettings)
