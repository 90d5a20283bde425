"""Posts over HTTP: views translate between requests and the functions that read and write."""

# ruff: noqa: ARG002 - Django hands every method the request

import uuid
from typing import Any, cast

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from ipc.django_app.authentication import CATokenAuthentication, RequestIdentityAuthentication
from ipc.django_app.identity import Identity
from ipc.django_app.openapi import answers
from ipc.django_app.parsers import BoundedJSONParser
from ipc.django_app.permissions import HasCAPermission
from timeline import selectors, services
from timeline.models import MAX_USER_ID_LENGTH, Post
from timeline.openapi.shapes import LIST_PARAMETERS, POST_PARAMETERS
from timeline.pagination import PostPagination
from timeline.serializers import CamelCaseSerializer, CompletionSerializer, CompletionsSerializer, PostSerializer


class PostView(GenericAPIView[Post]):
    """What the views of posts share."""

    serializer_class: type[CamelCaseSerializer] = PostSerializer
    authentication_classes = [CATokenAuthentication, RequestIdentityAuthentication]
    permission_classes = [HasCAPermission]
    parser_classes = [BoundedJSONParser]
    pagination_class = PostPagination
    ca_resource = "posts"

    @property
    def user_id(self) -> str:
        """The user that the request is made by."""
        return cast(Identity, self.request.user).user_id

    def checked(self, *, partial: bool = False) -> dict[str, Any]:
        """Return the body's values.

        Raises:
            ValidationError: with the errors of each field.

        """
        serializer = self.get_serializer(data=self.request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


class PostListView(PostView):
    """All posts that the user may see, newest first; POST writes one."""

    def get_queryset(self) -> QuerySet[Post]:
        """Return the posts, those of one user for ``?userId=``."""
        user_id = self.request.query_params.get("userId")
        if user_id is not None and (len(user_id) > MAX_USER_ID_LENGTH or "\x00" in user_id):
            raise ValidationError({"userId": ["There is no such user."]})
        return selectors.post_list(viewer_id=self.user_id, user_id=user_id)

    @extend_schema(
        operation_id="post-list",
        summary="A page of posts, newest first",
        parameters=LIST_PARAMETERS,
        responses={200: OpenApiResponse(PostSerializer(many=True)), **answers(400, 401, 503)},
    )
    def get(self, request: Request) -> Response:
        """Answer with a page: ``next``, ``previous`` and ``results``."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        operation_id="post-create",
        summary="Write a post",
        responses={201: PostSerializer, **answers(400, 401, 403, 413, 415, 503)},
    )
    def post(self, request: Request) -> Response:
        """Save a post and answer 201 with it and its address."""
        post = services.post_create(user_id=self.user_id, **self.checked())
        location = request.build_absolute_uri(reverse("post-detail", kwargs={"post_id": post.id}))
        return Response(self.get_serializer(post).data, status=status.HTTP_201_CREATED, headers={"Location": location})


class PostDetailView(PostView):
    """One post; PUT, PATCH and DELETE are its owner's."""

    ca_resource = "posts/{post_id}"

    def get_queryset(self) -> QuerySet[Post]:
        """Return the posts that the user may see."""
        return selectors.post_list(viewer_id=self.user_id)

    @extend_schema(
        operation_id="post-read",
        summary="One post",
        parameters=POST_PARAMETERS,
        responses={200: PostSerializer, **answers(401, 404, 503)},
    )
    def get(self, request: Request, post_id: uuid.UUID) -> Response:
        """Answer with the post."""
        return Response(self.get_serializer(selectors.post_get(post_id=post_id, viewer_id=self.user_id)).data)

    @extend_schema(
        operation_id="post-change",
        summary="Change a post",
        parameters=POST_PARAMETERS,
        responses={200: PostSerializer, **answers(400, 401, 403, 404, 413, 415, 503)},
    )
    def put(self, request: Request, post_id: uuid.UUID) -> Response:
        """Change the post; ``content`` is needed, what is left out stays as it is."""
        return self._update(post_id, partial=False)

    @extend_schema(
        operation_id="post-change-partly",
        summary="Change what is named of a post",
        parameters=POST_PARAMETERS,
        responses={200: PostSerializer, **answers(400, 401, 403, 404, 413, 415, 503)},
    )
    def patch(self, request: Request, post_id: uuid.UUID) -> Response:
        """Change what is named; where that changes nothing, the answer is the same and no event leaves."""
        return self._update(post_id, partial=True)

    @extend_schema(
        operation_id="post-delete",
        summary="Hide a post for good",
        parameters=POST_PARAMETERS,
        responses={204: OpenApiResponse(description="It is hidden."), **answers(401, 403, 404, 503)},
    )
    def delete(self, request: Request, post_id: uuid.UUID) -> Response:
        """Hide the post for good."""
        selectors.post_get(post_id=post_id, viewer_id=self.user_id)
        services.post_delete(post_id=post_id, actor_id=self.user_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _update(self, post_id: uuid.UUID, *, partial: bool) -> Response:
        # First whether it is there for this user, so that a hidden post is not betrayed by a 403 or 400.
        selectors.post_get(post_id=post_id, viewer_id=self.user_id)
        changes = self.checked(partial=partial)
        post = services.post_update(post_id=post_id, actor_id=self.user_id, changes=changes)
        return Response(self.get_serializer(post).data)


class CompletionListView(PostView):
    """What other services reported about a post."""

    serializer_class = CompletionSerializer
    ca_resource = "posts/{post_id}/completions"

    @extend_schema(
        operation_id="post-completions",
        summary="What services reported about a post",
        parameters=POST_PARAMETERS,
        responses={200: CompletionsSerializer, **answers(401, 404, 503)},
    )
    def get(self, request: Request, post_id: uuid.UUID) -> Response:
        """Answer with the reports in the order heard."""
        completions = selectors.completion_list(post_id=post_id, viewer_id=self.user_id)
        shown = self.get_serializer(completions, many=True).data
        return Response({"postId": str(post_id), "completions": shown})
