# A GPU for a container: docker's --gpus. The engine must have a device driver for
# it, such as the NVIDIA container toolkit; without one the task waits, and
# status says what the engine has answered.
job "models" {
  group "models" {
    task "ollama" {
      driver = "docker"

      config {
        image = "ollama/ollama:0.5.4"

        # One GPU, whichever is free. A block asks for more:
        #   gpus {
        #     device_ids   = ["0", "2"]
        #     capabilities = ["gpu", "utility"]
        #   }
        gpus = 1

        port_map {
          http = 11434
        }

        # What was downloaded is there for the next container, too.
        volumes = ["/srv/models:/root/.ollama"]
      }

      resources {
        memory = 8192

        network {
          port "http" {}
        }
      }
    }
  }
}
