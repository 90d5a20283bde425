"""The groups of people: what each may do, and that making them again takes nothing away."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User

from bridge.roles import ADMIN, OPERATOR, ROLES, VIEWER, make_roles


def member_of(role: str) -> User:
    user = User.objects.create(username=role, is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    return user


@pytest.mark.django_db
def test_a_migration_has_made_them() -> None:
    make_roles(apps)
    assert set(ROLES) <= set(Group.objects.values_list("name", flat=True))


@pytest.mark.django_db
def test_each_may_do_what_the_one_before_may_and_more() -> None:
    make_roles(apps)
    assert set(VIEWER) < set(OPERATOR) < set(ADMIN)
    viewer, operator, admin = (member_of(role).get_all_permissions() for role in ROLES)
    assert viewer == set(VIEWER)
    assert not {each for each in viewer if ".view_" not in each}
    assert {"bridge.disconnect_session", "bridge.cancel_operation"} <= operator - viewer
    assert {"timeline.view_post", "timeline.view_author", "timeline.view_completion"} <= viewer
    assert {"bridge.mint_token", "bridge.revoke_token", "auth.add_user"} <= admin - operator


@pytest.mark.django_db
def test_what_a_group_was_given_beside_that_stays() -> None:
    make_roles(apps)
    extra = Permission.objects.get(codename="view_group")
    Group.objects.get(name="viewer").permissions.add(extra)
    make_roles(apps)
    assert extra in Group.objects.get(name="viewer").permissions.all()
