"""An installation of before goes up to the newest version: its roles get what has come since, and keep what they had."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from bridge.roles import ADMIN, OPERATOR, ROLES, VIEWER

BEFORE = [("bridge", "0002_mesh")]
NEW = ("bridge.cancel_operation",)
"""What the roles of that version could not do, since nobody could."""


def migrate(*targets: tuple[str, str | None]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets))  # type: ignore[arg-type]  # None, for "nothing of it", is not in the stubs


def newest() -> list[tuple[str, str]]:
    return [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "bridge"]


def named(name: str) -> Permission:
    label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


def may(role: str) -> set[str]:
    """Return what a member of a group may do, asked as the console asks."""
    user = User.objects.create(username=f"member of {role}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return set(user.get_all_permissions())


@pytest.fixture
def installed(transactional_db: None) -> Iterator[None]:
    """The tables and the roles as they were, without the permissions that came later."""
    migrate(*BEFORE)
    Permission.objects.filter(codename__in=[name.partition(".")[2] for name in NEW]).delete()
    for role, wanted in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([named(name) for name in wanted if name not in NEW])
    yield
    migrate(*newest())


def test_the_roles_get_what_is_new(installed: None) -> None:
    assert not set(NEW) & may("operator")
    User.objects.all().delete()
    migrate(*newest())
    assert {role: may(role) for role in ROLES} == {
        "viewer": set(VIEWER),
        "operator": set(OPERATOR),
        "admin": set(ADMIN),
    }
    assert set(NEW) <= set(OPERATOR) - set(VIEWER)


def test_what_they_were_given_beside_stays_and_so_do_their_members(installed: None) -> None:
    ann = User.objects.create(username="ann", is_staff=True)
    ann.groups.add(Group.objects.get(name="operator"))
    Group.objects.get(name="operator").permissions.add(named("auth.view_group"))
    migrate(*newest())
    assert {*NEW, "auth.view_group"} <= set(User.objects.get(pk=ann.pk).get_all_permissions())


def test_an_installation_without_the_roles_gets_them(installed: None) -> None:
    """Somebody has deleted them, or there were none yet; nobody's permissions are made twice."""
    Group.objects.all().delete()
    Permission.objects.all().delete()
    migrate(*newest())
    assert may("viewer") == set(VIEWER)
    names = list(Permission.objects.values_list("content_type__app_label", "codename"))
    assert len(names) == len(set(names))


def test_to_go_up_twice_changes_nothing(installed: None) -> None:
    migrate(*newest())
    before = may("admin")
    User.objects.all().delete()
    migrate(*newest())
    assert may("admin") == before
