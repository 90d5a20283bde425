"""The address of a bridge, as ``BRIDGE_URL`` has it."""

from urllib.parse import SplitResult, urlsplit

from ipc.protocol.errors import ConfigurationError

_SOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def checked_bridge_url(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        ConfigurationError: it is not of the form ``wss://host:port``.

    """
    try:
        parts = urlsplit(url)
        where = _where(parts)
    except ValueError as error:
        raise ConfigurationError(f"BRIDGE_URL is no address ({error}): write wss://host:port") from error
    scheme = _SOCKET_SCHEMES.get(parts.scheme)
    if scheme is None or not where:
        raise ConfigurationError(f"BRIDGE_URL is no address of a bridge ({_shown(parts)}): write wss://host:port")
    right = f"{scheme}://{where}"
    if parts.scheme != scheme:
        raise ConfigurationError(f"BRIDGE_URL begins with {parts.scheme}://: write {right}")
    if rest := parts.path.rstrip("/"):
        raise ConfigurationError(f"BRIDGE_URL has a path ({rest}): write {right}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: it may be somebody's password.
        raise ConfigurationError(f"BRIDGE_URL has more than a host and a port: write {right}")
    return right


def _where(parts: SplitResult) -> str:
    """Return host and port, as they are written.

    Raises:
        ValueError: the port is none.

    """
    _ = parts.port
    return parts.netloc.rpartition("@")[2] if parts.hostname else ""


def _shown(parts: SplitResult) -> str:
    """Return as much of what was given as is surely no secret."""
    return (
        f"{parts.scheme}://" if parts.netloc else repr(f"{parts.scheme}:{parts.path}" if parts.scheme else parts.path)
    )
