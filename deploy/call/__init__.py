"""What a stage is for: a request (`invoke`, `asynchronous`), and a transform job (`transform`, `transform_job`)."""
