locals {
  typo = "${NOMAD_ALOC_DIR}"
}
task "t" {
  config {
    image   = "redis"
    ssl     = true
    command = "${NOMAD_TSK_NAME} ${HOME} ${A} ${FOO:-x} ${attr.kernel.nme}"
    args    = ["${HOME}", "${HOME + 1}"]
  }
  env {
    A = "1"
  }
}
