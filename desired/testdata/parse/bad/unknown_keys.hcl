jb "x" {
}

job "web" {
  tpye = "service"

  group "g" {
    cuont = 2

    task "t" {
      confg {
        image = "redis"
      }

      config {
        imge      = "redis"
        somewhere = "over the rainbow"
        label {
          a = "b"
        }
      }

      resources {
        mem = 1
        network {
          prot "http" {}
        }
      }
    }
  }
}
