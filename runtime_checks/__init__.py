"""The half that watches a training script: child, probes, record, detectors, trials."""
