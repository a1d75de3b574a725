# Every way to give a container files. What a relative path names goes with the
# allocation, an hour after it has ended; a directory of the host and a named
# volume stay for whoever comes next.
job "volumes" {
  group "volumes" {
    task "site" {
      driver = "docker"

      config {
        image = "nginx:1.27"

        port_map {
          http = 80
        }

        volumes = [
          # A directory of the host, which the container cannot write to.
          "/srv/www:/usr/share/nginx/html:ro",

          # A directory of this task, made when it is placed.
          "cache:/var/cache/nginx",

          # A directory that all tasks of the group see at /alloc, too.
          "../alloc/logs:/var/log/nginx",
        ]

        # A volume of the engine, under its name; it is made if it is not there.
        mount {
          type   = "volume"
          source = "volumes-uploads"
          target = "/uploads"
        }

        # The same as the first of volumes, in the longer form.
        mount {
          type     = "bind"
          source   = "/srv/www"
          target   = "/backup-of-www"
          readonly = true
        }

        # In memory, and gone with the container: 16 MB for the pid file.
        mount {
          type   = "tmpfs"
          target = "/run"

          tmpfs_options {
            size = 16777216
            mode = "1777"
          }
        }
      }

      resources {
        network {
          port "http" {}
        }
      }
    }

    # With volume_driver, what is not absolute is the name of a volume; the driver
    # may be a plugin that keeps it on another machine.
    task "uploads" {
      driver = "docker"

      config {
        image         = "example/uploads:1.0"
        volume_driver = "local"
        volumes       = ["volumes-uploads:/uploads", "/srv/www:/www:ro"]

        # Nothing can be written to but its volumes, /alloc, /local and /secrets.
        readonly_rootfs = true

        port_map {
          upload = 8081
        }
      }

      resources {
        network {
          port "upload" {}
        }
      }
    }
  }
}
