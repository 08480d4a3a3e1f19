"""Tasks as jobs of a Kubernetes cluster."""
