variable "tag" {}

variable "kind" {
  type    = number
  default = "many"
}

locals {
  good = "7"
  a    = "${local.b}"
  b    = "${local.a}"
  bad  = var.tgs
}

job "web" {
  task "t" {
    config {
      image   = "redis:${var.tag}"
      load    = redis
      command = "${local.goood}"
      args = [
        "${lower(NOMAD_TASK_NAME)}",
        nosuch("x"),
        file("/etc/passwd"),
        upper("a", "b"),
        "${1 / 0}",
        NOMAD_PORT_http,
        var,
        "${local.bad}",
      ]
    }
  }
}
