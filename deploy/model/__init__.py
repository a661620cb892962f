"""What a stage is made of: images in ECR (`images`), and model archives (`archive`, `archive_check`, `artifacts`)."""
