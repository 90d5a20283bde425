"""The catalogue of the running mesh over HTTP, as a document of AsyncAPI."""

from asgiref.sync import async_to_sync
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub


class AsyncAPIView(MeshView):
    """What the mesh says and hears."""

    def get(self, request: Request) -> Response:
        """Answer with the document itself, as tools for AsyncAPI want it."""
        document = async_to_sync(running_hub().catalogue.asyncapi)(bridge=request.get_host(), version=conf.version)
        return Response(document, headers={"Cache-Control": "no-store"})
