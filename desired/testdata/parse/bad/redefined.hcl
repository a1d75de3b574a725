task "t" {
  config {
    image = "redis"
    image = "nginx"
  }
}
