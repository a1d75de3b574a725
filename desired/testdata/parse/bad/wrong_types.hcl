job "web" {
  datacenters = "dc1"
  priority    = "high"

  group "g" {
    count = 1.5

    task "t" {
      kill_timeout = 30
      kill_signal  = "SIGFOO"

      env = "A=b"
      meta {
        nested {
          x = 1
        }
      }

      config {
        image      = ["redis"]
        args       = "one two"
        tty        = "yes"
        force_pull {}
        labels = ["a"]
        port_map {
          http = "eighty"
        }
        volumes = [{ a = "b" }]
        command = null
      }

      resources = {
        cpu = 1
      }
    }
  }
}
