"""Addresses in the lines of servers: what comes after the ``?`` may be somebody's secret."""

import logging


class WithoutQuery(logging.Filter):
    """Takes queries off the addresses that a server writes into its log, such as a token that does not belong there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the record; nothing is held back."""
        if isinstance(record.args, tuple):
            record.args = tuple(_without_query(part) for part in record.args)
        return True


def _without_query(part: object) -> object:
    return part.partition("?")[0] if isinstance(part, str) and part.startswith("/") else part
