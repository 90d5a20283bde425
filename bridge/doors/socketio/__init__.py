"""The Socket.IO door: services with socket.io-client 4 attach to the hub as they did to the original bridge.

::

    server.py      the library's server with our hub behind it, and where it is mounted
    engine.py      one Engine.IO connection: what comes and goes on it, and how it ends
    polling.py     its long-polling
    websocket.py   its websocket
    outgoing.py    what waits to be written to it
    admission.py   who is let in at a namespace, and what it hears at once
    peer.py        one namespace of one connection, which is a session
    requests.py    who waits for which answer
    answers.py     the answers, as packets
    asking.py      what a client emits, as messages of the hub
    telling.py     what the hub says, as packets
    packets.py     the text of a packet
"""
