"""The Socket.IO door: services with socket.io-client 4 attach to the hub as they did to the original bridge.

::

    server.py      the library's server with our hub behind it, and where it is mounted
    engine.py      one Engine.IO connection: its long-polling, and what comes and goes on it
    websocket.py   its websocket
    outgoing.py    what waits to be written to it
    admission.py   who is let in at a namespace, and what it hears at once
    peer.py        one namespace of one connection, which is a session
    requests.py    who waits for which answer
    asking.py      what a client emits, as messages of the hub
    telling.py     what the hub says, as packets
    packets.py     the text of a packet
"""
