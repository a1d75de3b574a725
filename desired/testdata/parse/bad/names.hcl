job "my job" {
  group "" {
    task "t/1" {
      config { image = "redis" }
    }
  }
}

job {
}

job "a" "b" {
}

job = "x"

task "-x" {
  config { image = "redis" }
}
