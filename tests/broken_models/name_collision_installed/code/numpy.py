"""Arrays, much simplified."""
