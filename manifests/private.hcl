# Images from a registry that asks for a password. It stands here for this task
# alone; docs/credentials.md has the ways that keep it out of manifests.
#
# The password is used for the pull, and is written to no state file and no log.
job "private" {
  group "private" {
    # By tag: pulled if it is not on this host. A tag that moves in the registry
    # is looked up by `reconciler restart private --pull`.
    task "app" {
      driver = "docker"

      config {
        image = "registry.example.com/team/app:1.4"

        auth {
          username       = "deploy"
          password       = "correct-horse"
          server_address = "registry.example.com"
        }

        # With true, a password that is refused is no end: the pull is tried once
        # more without one. With false the task waits, and status says why.
        auth_soft_fail = false
      }
    }

    # By digest: always these very bytes, whatever the tag means by now.
    task "pinned" {
      driver = "docker"

      config {
        image = "registry.example.com/team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

        auth {
          username       = "deploy"
          password       = "correct-horse"
          server_address = "registry.example.com"
        }
      }
    }
  }
}
