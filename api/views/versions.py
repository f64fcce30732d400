"""Versions of the code: which there are, which is the latest, and what is moved to one."""

from __future__ import annotations

from typing import Any

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, OuterRef, Q
from drf_spectacular.utils import OpenApiResponse
from rest_framework.response import Response

import durable
from durable.audit import audited
from durable.conf import conf
from durable.errors import VersionNotFound
from durable.models import Executor, Version
from durable.states import LIVE

from ..authentication import actor_of
from ..pagination import PAGE_PARAMETERS, Keyset
from ..permissions import MayOperateVersions, MayViewVersions
from ..serializers.bulk import BulkReportSerializer, ChosenSerializer
from ..serializers.pages import page_of
from ..serializers.versions import VersionSerializer
from .bulk import chosen, report
from .endpoint import ID, PAGING, Endpoint, documented, only, said
from .rows import workflows

LATEST_FIRST = Keyset("promoted_at", "id", newest_first=True)


class Versions(Endpoint):
    permission_classes = (MayViewVersions,)

    @documented(
        operation_id="list_versions",
        summary="List the versions of this application, the latest first",
        parameters=PAGING,
        responses={200: page_of(VersionSerializer)},
        problems=(400,),
    )
    def get(self, request: Any) -> Response:
        only(request)
        page = LATEST_FIRST.page(request, versions())
        return self.page_response(page, VersionSerializer, "versions", census([row.name for row in page.rows]))


class Promote(Endpoint):
    permission_classes = (MayOperateVersions,)

    @documented(
        operation_id="promote_version",
        summary="Make a version the latest: where versions are strict, it takes work that names no version",
        parameters=[ID],
        request=None,
        responses={200: VersionSerializer},
        problems=(404,),
    )
    def post(self, request: Any, id: str) -> Response:
        with audited("promote", id, actor=actor_of(request), source="api", kind="version"):
            durable.set_latest_version(id)
        return Response(VersionSerializer(versions().get(name=id), context=self.get_context() | census([id])).data)


class Move(Endpoint):
    permission_classes = (MayOperateVersions,)

    @documented(
        operation_id="move_to_version",
        summary="Let executors of a version go on with workflows of others, a page at a time, newest first",
        parameters=[ID, *PAGING],
        request=ChosenSerializer,
        responses={200: OpenApiResponse(BulkReportSerializer, "What became of them. Ended ones are left as they are.")},
        problems=(400, 404, 415),
    )
    def post(self, request: Any, id: str) -> Response:
        check_known(id)
        order = said(request, ChosenSerializer)
        only(request, paging=PAGE_PARAMETERS if "filter" in order else ())
        rows = chosen(order)
        if "filter" in order:
            rows = rows.with_status(*LIVE).filter(~Q(version=id) | Q(version__isnull=True))

        def move(pk: str) -> tuple[str, bool]:
            with audited("move", pk, actor=actor_of(request), source="api", version=id) as detail:
                detail["changed"] = changed = bool(durable.move_to_version([pk], id))
            return pk, changed

        return report(request, order, rows, move)


def versions() -> Any:
    """Those of this application, each with whether it is the latest."""
    settings = conf()
    rows = Version.objects.using(settings.DATABASE).filter(application=settings.APPLICATION_NAME)
    later = rows.filter(
        Q(promoted_at__gt=OuterRef("promoted_at")) | Q(promoted_at=OuterRef("promoted_at"), id__gt=OuterRef("id"))
    )
    return rows.annotate(latest=ExpressionWrapper(~Exists(later), BooleanField()))


def census(names: list[str]) -> dict[str, dict[str, int]]:
    """How many executors and live workflows each of these versions has."""
    live = workflows().live().filter(version__in=names).order_by().values_list("version").annotate(Count("id"))
    executors = Executor.objects.using(conf().DATABASE).serving().filter(version__in=names)
    serving = executors.order_by().values_list("version").annotate(Count("id"))
    return {"live": dict(live), "executors": dict(serving)}


def check_known(name: str) -> None:
    """Raises `VersionNotFound` for one that no executor has ever run: what is moved there would wait for nobody.

    Beside versions of the application there are those of single definitions, which living executors tell.
    """
    serving = Executor.objects.using(conf().DATABASE).serving().values_list("definitions", flat=True)
    told = {version for definitions in serving for version in definitions.values()}
    if name not in told and not versions().filter(name=name).exists():
        known = ", ".join(versions().values_list("name", flat=True)[:20]) or "none"
        raise VersionNotFound(version=name, known=known)
