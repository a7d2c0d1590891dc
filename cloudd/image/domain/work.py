"""What long work on images must know: the parameters of the sagas."""

import msgspec


class ImportImageParams(msgspec.Struct):
    image_id: str
    method: str
    project_id: str | None = None
    user_id: str | None = None
    uri: str | None = None
