"""One process in the mesh: it has sessions, appends their events to the logs and delivers what the logs bring."""
