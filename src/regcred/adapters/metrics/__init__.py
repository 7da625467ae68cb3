"""What is counted, in Prometheus' words: the only place that imports its client."""
