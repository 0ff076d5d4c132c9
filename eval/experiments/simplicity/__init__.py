"""Whether proxies win that are simpler to tell from the objective, and easier to pursue."""
