"""Jobs that wait."""
