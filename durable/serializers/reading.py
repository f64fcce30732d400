"""Reading stored values for people who look: what cannot be decoded is shown as it is stored."""

from __future__ import annotations

import logging
from typing import Any

from . import get

log = logging.getLogger("durable.serializers")


def read(text: str | None, serialization: str, what: str) -> Any:
    """The value of a stored text; the text itself, with a warning that names `what`, when it cannot be decoded here:
    its serializer or a type in it is unknown, or it is damaged."""
    if text is None:
        return None
    try:
        return get(serialization).deserialize(text)
    except Exception as error:
        log.warning("%s cannot be decoded and is given as it is stored: %s", what, error)
        return text
