from django.db import migrations

from bridge.roles import make_roles


class Migration(migrations.Migration):
    """Makes the roles as they are now: whoever gives them more moves this to a later migration."""

    dependencies = [
        ("bridge", "0002_mesh"),
        ("timeline", "0001_initial"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="mesh",
            options={
                "verbose_name_plural": "mesh",
                "permissions": [
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
                ],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.RunPython(lambda apps, _editor: make_roles(apps), migrations.RunPython.noop, elidable=False),
    ]
