task "a" {
  config {
    image = "r.example/a:1"
    auth {
      username       = "u"
      password       = "hun${ter2}"
      server_address = "https://r.example/v1/"
    }
  }
}

task "b" {
  config {
    image = "redis:7"
    auth {
      username       = "u"
      password       = "hunter2"
      server_address = "r.example:5000"
    }
  }
}

task "c" {
  config {
    image = "redis:7"
    auth {
      username       = "u"
      server_address = "index.docker.io"
    }
  }
}

task "d" {
  config {
    image = "r.example/d:1"
    auth {
      username = "u"
      password = "hunter2"
    }
  }
}
