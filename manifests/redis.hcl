# The shortest form: a bare task is a job, a group and a task of one name. A
# fixed port on the host, and data that outlives the container: /srv/redis is
# on the host.
task "redis" {
  driver = "docker"

  config {
    image   = "redis:7"
    command = "redis-server"
    args    = ["--appendonly", "yes"]
    volumes = ["/srv/redis:/data"]
  }

  # redis writes its append-only file before it ends.
  kill_timeout = "30s"

  resources {
    memory = 256

    network {
      port "redis" {
        static = 6379
      }
    }
  }
}
