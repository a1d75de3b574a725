# A web server, two of it, each on a port that is chosen when it is placed.
# `reconciler status web` shows the ports.
job "web" {
  group "web" {
    count = 2

    task "nginx" {
      driver = "docker"

      config {
        image = "nginx:1.27"

        # The label http below is port 80 inside the container.
        port_map {
          http = 80
        }
      }

      resources {
        cpu    = 100 # MHz, as Docker's CPU shares
        memory = 128 # MB, without swap

        network {
          port "http" {}
        }
      }
    }
  }
}
