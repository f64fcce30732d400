"""What a serializer must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Serializer(ABC):
    """Turns a value into text and back. A subclass is named in `DURABLE["SERIALIZER"]` by its dotted path.

    `name` is stored with every row, so that rows of several formats mix; it never changes once rows exist. One
    instance serves all threads. Both methods raise `SerializationError` for what they cannot hold or read, and the
    text must be storable: valid UTF-8 without the character U+0000.
    """

    name: ClassVar[str]

    @abstractmethod
    def serialize(self, value: Any) -> str: ...

    @abstractmethod
    def deserialize(self, text: str) -> Any: ...
