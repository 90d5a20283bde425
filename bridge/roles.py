"""The groups of people who use the console: viewers look, operators repair, admins give tokens and accounts."""

from typing import Any, Final

from django.contrib.auth.management import create_permissions

SEES_ERRORS: Final = "bridge.view_event"
"""What handlers and operations say when they fail may be of what an event or a call had in it."""
VIEWER: Final = (
    "bridge.view_mesh",
    SEES_ERRORS,
    "bridge.view_audit",
    "bridge.view_token",
    "ipc.view_outboxevent",
    "timeline.view_post",
    "timeline.view_author",
    "timeline.view_completion",
)
OPERATOR: Final = (
    *VIEWER,
    "bridge.emit_event",
    "bridge.redrive_deadletter",
    "bridge.discard_deadletter",
    "bridge.replay_log",
    "bridge.disconnect_session",
    "bridge.cancel_operation",
    "ipc.change_outboxevent",
)
ADMIN: Final = (
    *OPERATOR,
    "bridge.mint_token",
    "bridge.revoke_token",
    "auth.view_user",
    "auth.add_user",
    "auth.change_user",
    "auth.view_group",
)
ROLES: Final = {"viewer": VIEWER, "operator": OPERATOR, "admin": ADMIN}
APPS: Final = ("auth", "bridge", "contenttypes", "ipc", "timeline")


def make_roles(apps: Any) -> None:
    """Make the groups, and give each what belongs to it; what they have beside that stays.

    Args:
        apps: the registry, of a migration for instance. Permissions are otherwise made after all migrations.

    """
    for label in APPS:
        config = apps.get_app_config(label)
        # The app of a migration has no module, and is passed over without one.
        config.models_module = getattr(config, "models_module", None) or True
        create_permissions(config, apps=apps, verbosity=0)
    permission = apps.get_model("auth", "Permission")
    for name, wanted in ROLES.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        for each in wanted:
            label, codename = each.split(".")
            group.permissions.add(permission.objects.get(content_type__app_label=label, codename=codename))
