job "web" {
  type        = "sysbatch"
  constraint {
    distinct_property = "${meta.rack}"
  }
  restart {
    attempts = 3
  }
  periodic {
    cron = "* * * * *"
  }

  group "g" {
    service {
      provider = "nomad"
      check {
        type = "grpc"
      }
    }
    volume "data" {}

    update {
      health_check = "manual"
      auto_promote = true
      canary       = 1
      stagger      = "30s"
    }

    task "t" {
      driver = "exec"
      count  = 2
      artifact {
        source = "git::https://example.com/a.git"
        headers {
          a = "b"
        }
      }
      template {
        data = "x"
      }
      vault {}
      config {
        image      = "redis"
        auth_soft_fail = true
        auth {
          net.core.somaxconn = "16384"
        }
        isolation = "hyperv"
      }
      resources {
        disk       = 500
        cores      = 2
      }
    }
  }
}
