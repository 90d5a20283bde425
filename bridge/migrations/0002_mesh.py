from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bridge", "0001_audit"),
        ("ipc", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mesh",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
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
                    ("mint_token", "Can mint tokens"),
                    ("revoke_token", "Can revoke tokens"),
                ],
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
    ]
