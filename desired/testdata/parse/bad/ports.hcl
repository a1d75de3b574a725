job "web" {
  group "g" {
    count = 2
    network {
      port "http" { static = 8080 }
      port "shared" {}
    }
    task "a" {
      config {
        image = "redis"
        ports = ["htp", "shared", "nothing-like-it"]
      }
    }
    task "b" {
      config {
        image = "redis"
        ports = ["shared"]
        port_map {
          db = 5432
        }
      }
      resources {
        network {
          port "dbs" {}
        }
      }
    }
    task "c" {
      config {
        image = "redis"
        ports = ["shared"]
        network_mode = "host"
      }
    }
  }

  group "h" {
    network {
      port "one" { static = 8080 }
      port "two" {
        static  = 9000
        host_ip = "127.0.0.1"
      }
      port "three" {
        static  = 9000
        host_ip = "127.0.0.2"
      }
      port "four" {
        static  = 9000
        host_ip = "0.0.0.0"
      }
    }
    task "t" {
      config { image = "redis" }
    }
  }
}

job "lone" {
  task "t" {
    config {
      image = "redis"
      port_map { db = 1 }
    }
  }
}
