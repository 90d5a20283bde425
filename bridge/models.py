"""What operators may see in the console: a class for each page, so that Django knows its place and its permission."""

from django.db import models


class Audit(models.Model):
    """The audit trail, with the permission ``bridge.view_audit``; it has no table."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"

    def __str__(self) -> str:
        return "an entry of the audit trail"
