task "a" {
  config {
    image = "r.example/a:1"
    auth {
      usrname  = "u"
      username = ["u"]
      password = hunter2
      pasword  = "hunter2"
    }
    auth_soft_fail     = "sometimes"
    image_pull_timeout = "0s"
  }
}

task "b" {
  config {
    image = "r.example/b:1"
    auth  = "u:hunter2"
    image_pull_timeout = 5
  }
}

task "c" {
  config {
    image = "r.example/c:1"
    auth {
      password = ["hunter2"]
    }
    auth_soft_fail = {}
    image_pull_timeout = "-1m"
  }
}

task "d" {
  config {
    image = "r.example/d:1"
    auth "x" {
      password = "hunter2"
    }
    image_pull_timeout = "soon"
  }
}

task "e" {
  config {
    image = "r.example/e:1"
    auth {
      password = "${upper(hunter2)}"
    }
    auth {
      password = var.hunter2
    }
  }
}
