"""The answers of the hub on one namespace, as packets: callbacks that are called, and events where there is none."""

from typing import Any

from bridge.doors.socketio import asking, telling
from bridge.doors.socketio.packets import answer_packet, event_packet
from bridge.doors.socketio.requests import Asked, Requests
from ipc.protocol import codec
from ipc.protocol.messages import Error, Ok, ServerPong, ServerReply


class Answers:
    """Turns each answer into what was asked for.

    Args:
        namespace: as the client has spelled it.
        requests: know who waits for which answer.

    """

    def __init__(self, namespace: str, requests: Requests) -> None:
        self._namespace = namespace
        self._requests = requests

    def acknowledge(self, line: str, texts: list[str]) -> bool:
        """Answer an emit that is in its log with the hub's own text, if it is that which the line answers."""
        answered = self._requests.emit_answered(telling.answered_id(line))
        if answered is None:
            return False
        emit, number = answered
        members = telling.emit_answer(emit, line)
        if emit.wants_ack:
            texts.append(event_packet(self._namespace, f'["ipc:ack",{{{members}]'))
        if number is not None:
            texts.append(answer_packet(self._namespace, number, f'{{"success":true,{members}'))
        return True

    def answer(self, message: Ok | Error | ServerReply | ServerPong, texts: list[str]) -> None:
        """Answer a request."""
        asked = self._requests.answered(message.id)
        error = message if isinstance(message, Error) else getattr(message, "error", None)
        if error is not None:
            self._refuse(asked, message.id, telling.failed(error), texts)
        elif asked is not None and asked.number is not None:
            said = telling.succeeded(_members(message))
            texts.append(answer_packet(self._namespace, asked.number, said))

    def _refuse(self, asked: Asked | None, request_id: str | None, members: dict[str, Any], texts: list[str]) -> None:
        if asked is not None and asked.number is not None:
            answer = codec.encode_json({"success": False, **members})
            texts.append(answer_packet(self._namespace, asked.number, answer))
        if asked is None or asked.number is None or asked.name == asking.EMIT:
            about: dict[str, Any] = {"request": asked.name} if asked is not None else {}
            if asked is not None and asked.emit is not None:
                about |= {"event": asked.emit.event}
            if request_id is not None:
                about |= {"id": request_id}
            body = telling.own_body("ipc:error", {**members, **about})
            texts.append(event_packet(self._namespace, body))


def _members(message: Ok | Error | ServerReply | ServerPong) -> dict[str, Any]:
    if isinstance(message, ServerReply):
        return {"data": telling.raw_or_null(message.data)}
    return telling.answer_of(message) if isinstance(message, Ok) else {}
