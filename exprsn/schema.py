"""The OpenAPI schema of the service that this process is, and its pages: for who is known; in development, for all."""

from typing import Any, cast

from django.conf import settings
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from bridge.api.authentication import AUTHENTICATION
from ipc.django_app.conf import conf


class IsKnown(BasePermission):
    """Lets in whoever has proved who they are; in development nobody need."""

    def has_permission(self, request: Request, view: Any) -> bool:  # noqa: ARG002 - the signature is DRF's
        """Tell whether the schema is for whoever asks."""
        return conf.in_development or request.user.is_authenticated


class KnownView(APIView):
    """What both views share."""

    permission_classes = [IsKnown]

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return what finds out who asks; only the bridge can tell what a broker token is worth."""
        usual = cast("list[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES)
        return [kind() for kind in (AUTHENTICATION if settings.EXPRSN_SERVICE == "bridge" else usual)]


class SchemaView(KnownView, SpectacularAPIView):
    """The schema, as JSON."""

    permission_classes = KnownView.permission_classes
    renderer_classes = [JSONRenderer]


class DocsView(KnownView, SpectacularSwaggerSplitView):
    """The schema as pages to read and to try; their script has an address of its own, as our CSP asks for."""

    permission_classes = KnownView.permission_classes
    url_name = "schema"
    template_name = "exprsn/api_docs.html"
