job "web" {
  type        = "batch"
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }
  periodic {
    cron = "* * * * *"
  }

  group "g" {
    restart {
      attempts = 3
    }
    volume "data" {}

    update {
      auto_revert  = true
      auto_promote = true
      canary       = 1
      stagger      = "30s"
    }

    task "t" {
      driver = "exec"
      leader = true
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
