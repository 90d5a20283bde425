"""What operators may see and do in the console: classes without tables, so that Django knows the permissions."""

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


class Mesh(models.Model):
    """The mesh, with the permissions on it, such as ``bridge.disconnect_session``; it has no table."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name_plural = "mesh"
        permissions = [
            ("view_event", "Can see the data of events and dead letters"),
            ("view_token", "Can see tokens"),
            ("emit_event", "Can emit test events"),
            ("redrive_deadletter", "Can edit and redrive dead letters"),
            ("discard_deadletter", "Can discard dead letters"),
            ("replay_log", "Can replay a span of a log into a group"),
            ("disconnect_session", "Can disconnect sessions"),
            ("cancel_operation", "Can cancel long operations"),
            ("mint_token", "Can mint tokens"),
            ("revoke_token", "Can revoke tokens"),
        ]

    def __str__(self) -> str:
        return "the mesh"
