job "web" {
  task "t" {
    config {
      image        = "http://Redis"
      command      = " sleep"
      load         = ""
      work_dir     = "relative"
      hostname     = "my_host!"
      network_mode = "container:"
      volumes = [
        "/only-one",
        "/a:relative",
        ":/x",
        "/a:/b:rx",
        "/a:/alloc",
        "/a:/",
        "/a:/data",
        "rel:/data/",
        "${NOMAD_ALLOC_DIR}",
      ]
      labels {
        reconciler.node_id = "x"
        "reconciler.job"   = "y"
      }
      logging {
        type   = "syslog"
        driver = "json-file"
      }
    }
    env {
      "A=B" = 1
    }
  }
}
