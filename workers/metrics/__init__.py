"""What Prometheus is told: the metrics of each kind of process, and the listener that answers scrapes."""
