"""What is computed: one file per stage in dvc.yaml, same name. Read -> pure function -> write."""
