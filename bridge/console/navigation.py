"""What stands at the side of every page, and which keys lead there."""

from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


class Item(NamedTuple):
    """A page that is led to."""

    title: str
    icon: str
    """Its name among Google's Material Symbols."""
    page: str
    """Its name among the addresses of the admin."""
    permission: str
    key: str = ""
    """The key that leads there after ``g``."""


MESH: Final = (
    Item("Overview", "monitoring", "index", "bridge.view_mesh", "o"),
    Item("Map", "hub", "console_map", "bridge.view_mesh", "m"),
    Item("Services", "dns", "console_services", "bridge.view_mesh", "s"),
    Item("Operations", "pending_actions", "console_operations", "bridge.view_mesh", "w"),
)
EVENTS: Final = (
    Item("Explorer", "travel_explore", "console_explorer", "bridge.view_event", "e"),
    Item("Groups", "groups", "console_groups", "bridge.view_mesh", "r"),
    Item("Dead letters", "mail_off", "console_dead_letters", "bridge.view_event", "d"),
    Item("Catalogue", "menu_book", "console_catalogue", "bridge.view_mesh", "k"),
)
ACCESS: Final = (
    Item("Tokens", "key", "console_tokens", "bridge.view_token", "t"),
    Item("Audit trail", "history", "console_audit", "bridge.view_audit", "a"),
    Item("Certificates", "verified_user", "console_certificates", "bridge.view_mesh", "c"),
    Item("Limits", "speed", "console_limits", "bridge.view_mesh", "l"),
)
DATA: Final = (
    Item("Posts", "article", "timeline_post_changelist", "timeline.view_post", "p"),
    Item("Authors", "person", "timeline_author_changelist", "timeline.view_author"),
    Item("Completions", "task_alt", "timeline_completion_changelist", "timeline.view_completion"),
    Item("Outbox", "outbox", "ipc_outboxevent_changelist", "ipc.view_outboxevent", "x"),
    Item("Users", "account_circle", "auth_user_changelist", "auth.view_user", "u"),
    Item("Roles", "shield_person", "auth_group_changelist", "auth.view_group"),
)
SECTIONS: Final = (("Mesh", MESH), ("Events", EVENTS), ("Access", ACCESS), ("Data", DATA))


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sections as the theme shows them, of what this user may see."""
    sections = []
    for title, items in SECTIONS:
        shown = [_shown(request, item) for item in items if _may_see(request, item)]
        sections.append({"title": title, "items": [each for each in shown if each is not None]})
    return sections


def shortcuts(request: HttpRequest) -> list[dict[str, str]]:
    """Return where each key leads after ``g``."""
    items = [each for section in sidebar(request) for each in section["items"]]
    return [{"key": each["key"], "title": each["title"], "link": each["link"]} for each in items if each["key"]]


def _may_see(request: HttpRequest, item: Item) -> bool:
    return request.user.has_perm(item.permission)


def _shown(request: HttpRequest, item: Item) -> dict[str, Any] | None:
    try:
        link = reverse(f"admin:{item.page}")
    except NoReverseMatch:
        return None
    is_here = request.path == link or (item.page != "index" and request.path.startswith(f"{link.rstrip('/')}/"))
    shown = {"title": item.title, "icon": item.icon, "key": item.key, "link": link}
    return {**shown, "active": is_here, "has_permission": True}
