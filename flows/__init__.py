"""When, and what then. Prefect is imported only here; a flow has effects but no arithmetic."""
