"""The frame of an event as logs keep it: the message ``event``, open at its end for what is known on delivery only."""


def closed(frame: str) -> str:
    """Return a frame as JSON, with what is known of the event so far."""
    return f"{frame}}}"
