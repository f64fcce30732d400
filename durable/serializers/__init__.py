"""How values and errors become text in the database, and come back.

`get(name)` finds the serializer of a row or of the settings; `register(tag, cls)` adds a type of the application to
the JSON serializer; `encode_error` and `decode_error` store exceptions.
"""

from __future__ import annotations

from importlib import import_module

from ..errors import InvalidSettings, SerializationError
from .base import Serializer
from .errors import decode_error, encode_error
from .fingerprint import fingerprint as fingerprint
from .json import JSONSerializer
from .registry import register

__all__ = ["Serializer", "decode_error", "encode_error", "fingerprint", "get", "register"]

_known: dict[str, Serializer] = {"json": JSONSerializer()}


def get(name: str) -> Serializer:
    """The serializer called `name`: "json", "pickle", or the one that `DURABLE["SERIALIZER"]` names by dotted path.

    A name may come from a row, and a row must not choose what is imported: a path is followed only when the settings
    say it too. Raises `SerializationError` for an unknown name, `InvalidSettings` for a path that leads nowhere.
    """
    if name not in _known:
        _load("durable.serializers.pickle.PickleSerializer" if name == "pickle" else _configured())
    if name not in _known:
        raise SerializationError(
            f"No serializer named {name!r} is known here. Name its class in settings.DURABLE['SERIALIZER'].", name=name
        )
    return _known[name]


def _configured() -> str:
    from ..conf import conf  # here, so that text can be read and written where Django has no settings

    return conf().SERIALIZER


def _load(path: str) -> None:
    if path in _known or "." not in path:
        return
    module, _, attribute = path.rpartition(".")
    try:
        cls = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidSettings(problem=f"SERIALIZER = {path!r} cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Serializer) and isinstance(getattr(cls, "name", None), str)):
        raise InvalidSettings(problem=f"SERIALIZER = {path!r} is no Serializer with a name.")
    serializer = cls()
    if isinstance(_known.get(cls.name), Serializer):
        raise InvalidSettings(problem=f"SERIALIZER = {path!r} takes the name {cls.name!r}, which another one has.")
    _known[path] = _known[cls.name] = serializer
