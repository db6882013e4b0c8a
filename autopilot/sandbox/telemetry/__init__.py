"""A real Prometheus for the sandbox: fetched without root, scraping Envoy under Istio's names."""
