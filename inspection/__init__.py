"""What stages, flows and monitoring share: one noun per file."""
