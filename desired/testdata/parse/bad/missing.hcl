job "empty" {}

job "nogroup" {
  group "g" {}
}

job "noconfig" {
  task "t" {}
}

job "noimage" {
  task "t" {
    config {
      load = "web.tar"
    }
  }
}
