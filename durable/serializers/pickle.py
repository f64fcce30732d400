"""Signed pickle, for those who must store what JSON cannot hold, and know what they do."""

from __future__ import annotations

import pickle
import warnings
from base64 import b64decode, b64encode
from typing import Any

from django.core.signing import BadSignature, Signer

from ..errors import SerializationError
from .base import Serializer


class PickleSerializer(Serializer):
    """Pickled values, signed with SECRET_KEY (and its fallbacks); nothing is unpickled before its signature is checked.

    Whoever has the key can run code in every process that reads a row, a changed class can make old rows unreadable,
    and no other language reads them. Prefer JSON with registered types.
    """

    name = "pickle"

    def __init__(self) -> None:
        warnings.warn(
            "Durable's pickle serializer is in use: whoever knows SECRET_KEY and can write to the database can run "
            "code in your executors, and a changed class can make stored workflows unreadable.",
            RuntimeWarning,
            stacklevel=3,
        )

    def serialize(self, value: Any) -> str:
        try:
            raw = pickle.dumps(value, protocol=5)
        except Exception as error:  # whatever __reduce__ and friends of the user's classes raise
            raise SerializationError(
                type=type(value).__qualname__, path="$", hint=f"pickle says {type(error).__name__}: {error}"
            ) from error
        return _signer().sign(b64encode(raw).decode())

    def deserialize(self, text: str) -> Any:
        try:
            raw = b64decode(_signer().unsign(text), validate=True)
        except BadSignature as error:
            raise SerializationError(
                "A pickled value is not signed with this project's SECRET_KEY, so it is not read. "
                "After a change of the key, keep the old one in SECRET_KEY_FALLBACKS."
            ) from error
        try:
            return pickle.loads(raw)
        except Exception as error:
            raise SerializationError(
                f"A pickled value cannot be read: {type(error).__name__}: {error}. Was a class moved or renamed?"
            ) from error


def _signer() -> Signer:
    return Signer(salt="durable.serializers.pickle")
