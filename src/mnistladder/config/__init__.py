"""What a YAML file may say, and what it costs. No torch."""
