config {
  volumes = [
    # A volume by its name.
    "name-of-the-volume:/path/in/container"
  ]
  # The driver that it is of.
  volume_driver = "flocker"
}
