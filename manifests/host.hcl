# A program that looks at the host itself: it is in the host's network, so nothing
# is mapped, and the port is one of the host. It runs only where the constraints
# hold; elsewhere status says which does not.
job "node-exporter" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }

  constraint {
    attribute = "${driver.docker.version}"
    version   = ">= 19.03"
  }

  group "node-exporter" {
    task "node-exporter" {
      driver = "docker"

      config {
        image        = "prom/node-exporter:v1.8.2"
        network_mode = "host"
        args = [
          "--path.procfs=/host/proc",
          "--path.sysfs=/host/sys",
          "--web.listen-address=${NOMAD_ADDR_metrics}",
        ]
        volumes = [
          "/proc:/host/proc:ro",
          "/sys:/host/sys:ro",
        ]
      }

      resources {
        network {
          # No other job is placed on it. The program must listen on it by itself.
          port "metrics" {
            static = 9100
          }
        }
      }
    }
  }
}
