job "web" {
  group "g" {
    count = -1

    update {
      max_parallel     = 0
      min_healthy_time = "-1s"
    }

    network {
      mode = "host"
      port "a" { static = 65536 }
      port "b" { to = -1 }
      port "c" { host_ip = "localhost" }
      port "d e" {}
    }

    task "t" {
      kill_timeout = "5 minutes"
      config {
        image = "redis"
        port_map { a = 0 }
      }
      resources {
        cpu    = 0
        memory = 1
        network {
          mbits = -1
        }
      }
    }
  }

  group "many" {
    count = 100000
    task "t" {
      config { image = "redis" }
    }
  }
}
