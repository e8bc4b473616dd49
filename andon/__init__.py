"""The door: the `andon` command. Thin: it calls flows and prints."""
