"""Programs that try what is promised of this server when too much is asked of it, when it is killed, and for long."""
