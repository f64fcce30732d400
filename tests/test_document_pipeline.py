from __future__ import annotations

import hashlib

import pytest
from django.core.management import call_command
from django.urls import reverse

import durable
from durable.models import Workflow
from examples.document_pipeline import reading
from examples.document_pipeline.workflows import index_documents

TEXTS = {
    "a.md": "# Widgets\n\nWidgets are useful things.\n",
    "b.txt": "one two three\n",
    "c.py": "import os\n\nx = 1\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "copy.md").write_text(TEXTS["a.md"])
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    return tmp_path


def test_the_report_speaks_of_every_text_file(executor, folder):
    report = index_documents.start(str(folder)).get_result(timeout=30)
    assert report["files"] == 4
    assert report["words"] == 2 * 5 + 3 + 2
    assert report["copies"] == 1
    assert report["unreadable"] == 0
    assert report["kinds"] == {".md": 2, ".txt": 1, ".py": 1}
    assert report["frequent"][0] == "widgets"


def test_each_file_is_one_workflow_of_the_queue(executor, folder):
    handle = index_documents.start(str(folder))
    handle.get_result(timeout=30)
    children = Workflow.objects.filter(parent=handle.workflow_id)
    assert {child.queue for child in children} == {"documents"}
    assert {child.status for child in children} == {"SUCCESS"}
    assert len(children) == 4


def test_the_progress_ends_complete(executor, folder):
    handle = index_documents.start(str(folder))
    handle.get_result(timeout=30)
    progress = durable.get_event(handle.workflow_id, "progress", timeout_seconds=0)
    assert progress == {"files": 4, "done": 4, "unreadable": 0}


def test_a_file_that_cannot_be_read_costs_only_itself(executor, folder):
    (folder / "gone.md").symlink_to(folder / "nowhere.md")
    (folder / "odd.txt").write_bytes(b"\xff\xfe not text")
    assert index_documents.start(str(folder)).get_result(timeout=30)["files"] == 5


def test_a_folder_that_is_none_is_said(executor, tmp_path):
    with pytest.raises(NotADirectoryError, match="is not a folder"):
        index_documents.start(str(tmp_path / "nothing")).get_result(timeout=30)


def test_the_limit_is_kept(folder):
    assert len(reading.text_files(folder, 2)) == 2


def test_the_installed_packages_are_thousands_of_files():
    assert len(reading.text_files(reading.installed_packages(), 1000)) == 1000


def test_a_digest_is_that_of_the_bytes(folder):
    assert reading.digest(str(folder / "b.txt")) == hashlib.sha256(b"one two three\n").hexdigest()


@pytest.mark.parametrize(
    ("text", "headline"),
    [
        ("#!/usr/bin/env python\n# SPDX-License-Identifier: MIT\nimport os\n'''Reads files.'''", "Reads files"),
        ("Title\n=====\n", "Title"),
        ("\n\n----\n", ""),
    ],
)
def test_a_headline_is_the_first_line_that_says_something(text, headline):
    assert reading.headline(text) == headline


def test_the_command_follows_it_to_the_report(executor, folder, capsys):
    call_command("index_documents", folder=str(folder))
    said = capsys.readouterr().out
    assert "Started " in said
    assert "words        15" in said


class TestPage:
    def test_strangers_are_asked_who_they_are(self, database, client):
        assert client.get(reverse("document_pipeline:index")).url.startswith("/durable/login/?next=/documents/")
        assert client.post(reverse("document_pipeline:start"), {"limit": 3}).status_code == 302
        assert not Workflow.objects.exists()

    def test_others_are_refused(self, viewer_client):
        assert viewer_client.get(reverse("document_pipeline:index")).status_code == 403

    def test_an_operator_starts_one_and_sees_its_report(self, executor, operator_client):
        answer = operator_client.post(reverse("document_pipeline:start"), {"limit": 3})
        workflow_id = answer.url.rstrip("/").rpartition("/")[2]
        durable.retrieve_workflow(workflow_id).get_result(timeout=30)
        assert "3 of 3 files" in operator_client.get(answer.url).content.decode()
        assert workflow_id in operator_client.get(reverse("document_pipeline:index")).content.decode()

    @pytest.mark.parametrize("limit", ["", "0", "-1", "many", "999999", "３"])
    def test_a_limit_that_is_none_is_refused(self, operator_client, limit):
        assert operator_client.post(reverse("document_pipeline:start"), {"limit": limit}).status_code == 400

    def test_another_workflow_is_not_shown_here(self, operator_client):
        assert operator_client.get(reverse("document_pipeline:run", args=["order-1"])).status_code == 404
