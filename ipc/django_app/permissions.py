"""What an identity may do: the permissions and the resource of its CA token against a view and a method."""

from typing import Any, Final
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ipc.django_app.identity import Identity
from ipc.protocol.resource_patterns import covers

SUFFICIENT: Final = {
    "GET": ("read",),
    "HEAD": ("read",),
    "OPTIONS": ("read",),
    "TRACE": ("read",),
    "POST": ("append", "write"),
    "PUT": ("update", "write"),
    "PATCH": ("update", "write"),
    "DELETE": ("delete",),
}
"""Of these permissions one is enough for the method: ``append`` adds, ``update`` changes, ``write`` does both."""


class HasCAPermission(BasePermission):
    """Lets in who has a permission for the method on the view's resource. Nobody else is let in, also no anonymous one.

    The view says in ``ca_resource`` what it is about, with the names of its parameters: ``"posts/{post_id}"``. Whose a
    thing is, is for the view to ask: no permission and no role makes somebody else's one's own.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Tell whether the identity may; ``message`` then says what is missing."""
        identity: Any = request.user
        if not isinstance(identity, Identity):
            return False
        resource, sufficient = _resource_of(view), SUFFICIENT.get(request.method or "", ())
        if identity.permissions.isdisjoint(sufficient):
            self.message = f"{request.method} needs the permission {' or '.join(sufficient) or 'that nobody has'}"
            return False
        if not covers(identity.resource, resource):
            self.message = f"your token is for {identity.resource}, which does not cover {resource}"
            return False
        return True


def _resource_of(view: Any) -> str:
    template = getattr(view, "ca_resource", None)
    if template is None:
        raise ImproperlyConfigured(f"{type(view).__name__} has no ca_resource, so nobody can be permitted to use it")
    # Quoted, so that no value can be a path of its own.
    path: str = template.format(**{name: quote(str(value), safe="") for name, value in view.kwargs.items()})
    return path
