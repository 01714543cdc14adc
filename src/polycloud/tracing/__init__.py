"""What was sent and what came back, without secrets: logs, hooks, debug file, OpenTelemetry."""
