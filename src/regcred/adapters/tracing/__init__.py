"""Where time goes inside a request, told by OTLP: the only place that imports OpenTelemetry."""
