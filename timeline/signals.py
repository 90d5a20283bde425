"""The signals of posts, sent inside the transaction that writes: a receiver that raises undoes the write.

Each is sent with ``sender=Post`` and ``post``, the instance as it was written.
"""

from django.dispatch import Signal

post_created = Signal()
post_updated = Signal()
post_deleted = Signal()
