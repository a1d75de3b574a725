job "web" {
  task "t" {
    config {
      image = "redis
    }
  }
}
