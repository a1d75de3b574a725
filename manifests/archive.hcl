# An image without any registry: the archive that `docker save` wrote. The job
# waits for the file if it is not there yet; an image that came out of it goes
# like any other once nothing needs it.
job "archive" {
  group "archive" {
    task "app" {
      driver = "docker"

      config {
        image   = "example/app:1.0"
        load    = "/srv/images/app.tar"
        command = "/app"
        args    = ["-listen", ":${NOMAD_PORT_http}"]

        labels {
          team = "shop"
        }
      }

      env {
        # Where others reach this instance, and which one it is.
        PUBLIC_ADDRESS = "${NOMAD_ADDR_http}"
        INSTANCE       = "${NOMAD_ALLOC_INDEX}"
      }

      resources {
        network {
          port "http" {}
        }
      }
    }
  }
}
