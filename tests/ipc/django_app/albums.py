"""A model of somebody's service, with the serializer that its viewset would have; its table is made by a fixture."""

from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers


class Album(models.Model):
    objects: ClassVar[models.Manager["Album"]] = models.Manager()
    title = models.CharField(max_length=64, unique=True)
    tracks = models.IntegerField(default=0)
    released = models.DateField(null=True)
    is_public = models.BooleanField(default=False)

    class Meta:
        app_label = "albums_of_tests"

    def __str__(self) -> str:
        return self.title


class AlbumSerializer(serializers.ModelSerializer[Album]):
    class Meta:
        model = Album
        fields = ["id", "title", "tracks", "released", "is_public"]
        read_only_fields = ["is_public"]


class TrustingSerializer(AlbumSerializer):
    """Leaves it to the database whether a title is there already."""

    class Meta(AlbumSerializer.Meta):
        extra_kwargs: Any = {"title": {"validators": []}}
