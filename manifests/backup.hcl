# A job that ends: it packs /srv/www, which it cannot write to, into one archive in
# /srv/backup, and is complete once it has exited with 0. Its container is kept
# for `docker logs`. It runs again when the container's part of this file changes;
# for a run every night, have cron call `reconciler restart backup`.
job "backup" {
  type = "batch"

  group "backup" {
    task "tar" {
      driver = "docker"

      config {
        image   = "alpine:3.20"
        command = "tar"
        args    = ["-czf", "/backup/www.tar.gz", "-C", "/data", "."]

        volumes = [
          "/srv/www:/data:ro",
          "/srv/backup:/backup",
        ]
      }

      # Two more tries, if it exits with something else than 0.
      restart {
        attempts = 2
        interval = "1h"
        delay    = "15s"
        mode     = "fail"
      }

      resources {
        memory = 128
      }
    }
  }
}
