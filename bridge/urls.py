"""The addresses of the bridge."""

from django.urls import path

from bridge import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("api/ipc/stats", views.stats, name="stats"),
]
