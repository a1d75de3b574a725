# A shop and its redis in one network, that of the redis container: the shop finds
# it at 127.0.0.1, and only the shop's port is published on the host. An edit
# starts a new pair beside the old one, which goes once the checks of the new one
# pass. What is in this redis goes with its container; redis.hcl keeps its data.
job "shop" {
  # A new instance has 2 minutes to pass its checks for 5 seconds; if it does not,
  # what worked before is put back.
  update {
    min_healthy_time = "5s"
    healthy_deadline = "2m"
    auto_revert      = true
  }

  group "shop" {
    # Three new containers in ten minutes for a task that dies, each about five
    # seconds after the death; then a wait for the end of the ten minutes, and
    # three more.
    restart {
      attempts = 3
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    # It is taken out of the services two seconds before it is told to stop, so
    # that whoever has just read its address is still answered.
    shutdown_delay = "2s"

    network {
      port "http" {
        to = 8080
      }
    }

    task "redis" {
      driver = "docker"

      config {
        image = "redis:7"

        # The network is this container's, so the shop's port is published here.
        ports = ["http"]
      }

      # `reconciler services` shows it at the container's own address.
      service {
        name         = "shop-redis"
        port         = "6379"
        address_mode = "driver"

        check {
          type         = "tcp"
          address_mode = "driver"
        }
      }
    }

    task "web" {
      driver = "docker"

      config {
        image        = "example/shop:1.0"
        network_mode = "container:redis"
      }

      env {
        REDIS_URL = "redis://127.0.0.1:6379"
      }

      service {
        name = "shop"
        port = "http"
        tags = ["public"]

        # Three failures in a row give the shop a new container.
        check {
          type     = "http"
          path     = "/health"
          interval = "5s"

          check_restart {
            limit = 3
            grace = "10s"
          }
        }
      }
    }
  }
}
