"""Versions of an application's code that have run on this database."""

from django.db import models

from .fields import Key, Moment, Now


class Version(models.Model):
    """One version of one application. The latest is the one that was promoted last; a first registration promotes."""

    application = Key()
    name = Key()
    created_at = Moment(default=Now)
    promoted_at = Moment(default=Now)

    class Meta:
        ordering = ["application", "-promoted_at", "-id"]
        constraints = [models.UniqueConstraint("application", "name", name="version_name")]
        permissions = [("operate_version", "Can promote versions and move workflows to them")]

    def __str__(self) -> str:
        return f"{self.application} {self.name}"
