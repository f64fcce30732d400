"""JSON in, JSON out, whatever the host's settings say and the client accepts."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from durable.conf import conf
from durable.errors import PayloadTooLarge


class JsonRenderer(JSONRenderer):
    """Plain JSON in ASCII, because stored text may hold lone surrogates, which have no UTF-8."""

    ensure_ascii = True
    compact = True
    strict = True


class JsonParser(BaseParser):
    """A JSON body of at most `MAX_PAYLOAD_BYTES`; numbers stay exact, NaN and Infinity are refused."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = conf().MAX_PAYLOAD_BYTES
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(size=len(body), limit=limit)
        try:
            return json.loads(body, parse_constant=no_constant)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None


class OnlyJson(DefaultContentNegotiation):
    """Answers JSON to everybody: an `Accept` header or `?format=` changes nothing and is never an error."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
