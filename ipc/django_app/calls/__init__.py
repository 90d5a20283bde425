"""What becomes of a call in Django: a request of DRF, a page of a queryset, work in a thread, and typed errors."""
