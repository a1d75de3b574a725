config {
  volumes = [
    # Any path of the host.
    "/path/on/host:/path/in/container",

    # A path of the allocation.
    "relative/to/task:/also/in/container"
  ]
}
