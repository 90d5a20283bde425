"""The codec under many frames that are nearly right: messages, refusals with a code, or one error for the frame."""

import json
from itertools import islice

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Emit
from tests.fuzz.budget import SEED, frames
from tests.fuzz.mutations import Frames

LIMITS = Limits()


def test_the_same_seed_gives_the_same_frames() -> None:
    one, again, other = (list(islice(Frames(seed), 500)) for seed in (SEED, SEED, SEED + 1))
    assert one == again != other


def test_frames_are_good_refused_and_wrong_in_fair_shares() -> None:
    """Or the fuzzing would only ever reach one branch."""
    met = {"message": 0, "refused": 0, "frame": 0}
    for frame in islice(Frames(SEED), 2_000):
        try:
            messages = codec.decode_client_frame(frame, LIMITS)
        except codec.FrameError:
            met["frame"] += 1
        else:
            is_refused = any(isinstance(message, codec.Refused) for message in messages)
            met["refused" if is_refused else "message"] += 1
    assert min(met.values()) > 100, met


def test_no_frame_breaks_the_codec() -> None:
    """Each part of it is answered with a code of the table, in JSON that everybody can read."""
    for frame in islice(Frames(SEED), frames(20_000)):
        try:
            messages = codec.decode_client_frame(frame, LIMITS)
        except codec.FrameError as error:
            check_told(codec.encode_error(error))
            continue
        assert 0 < len(messages) <= LIMITS.messages_per_frame
        for message in messages:
            if isinstance(message, codec.Refused):
                check_told(codec.encode_error(message.error, message.id))
            elif isinstance(message, Emit):
                check_data(bytes(message.data))


def check_told(wire: str) -> None:
    told = json.loads(wire)
    assert ErrorCode(told["code"])
    assert "\n" not in wire


def check_data(raw: bytes) -> None:
    try:
        line = codec.checked_json(raw, LIMITS)
    except BadMessageError as error:
        check_told(codec.encode_error(error))
    else:
        assert "\n" not in line
        json.loads(line)
