"""Work that no living executor has the code for stands in no line, and is shown all the same."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from durable.models import Executor, Queue, Workflow


def test_a_queue_shows_what_no_executor_can_run_and_says_so(operator_client):
    now = timezone.now()
    Queue.objects.create(name="mail")
    Executor.objects.create(id="x", label="one", host="", pid=1, lease_until=now + timedelta(minutes=1), definitions={})
    aside = Workflow.objects.create(name="gone", queue="mail", wake_at=now, waiting_for="executor:gone")
    page = operator_client.get(reverse("durable_dashboard:queue", args=["mail"])).content.decode()
    assert aside.pk in page
    assert "no living executor has its code" in page
    assert "Nothing waits." not in page
