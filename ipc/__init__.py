"""The library that every Exprsn service installs: `IPCWorker`, the context of an event, and the errors.

Importing it needs neither Django nor the network.
"""
