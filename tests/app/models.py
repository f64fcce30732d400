from __future__ import annotations

from django.db import models


class Effect(models.Model):
    """One side effect on the world. Two rows with one key are an effect that happened twice."""

    key = models.TextField()
    detail = models.TextField(default="")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.key} {self.detail}".strip()
