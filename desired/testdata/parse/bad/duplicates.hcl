job "web" {
  group "g" {
    task "t" {
      config {
        image = "redis"
        labels {
          a = "1"
          b = "2"
        }
        labels = { c = "3", a = "4" }
      }
      config {
        image = "nginx"
      }
      resources {
        network {
          port "http" {}
        }
      }
      resources {
        cpu = 1
      }
    }
    task "t" {
      config { image = "redis" }
      resources {
        network {
          port "http" {}
          port "other" {}
          port "other" {}
        }
      }
    }
  }
  group "g" {
    task "t" {
      config { image = "redis" }
    }
  }
}

job "web" {
  task "x" {
    config { image = "redis" }
  }
}
