package hclx_test

import (
	"testing"

	"reconciler/internal/hclx"
)

// One snippet for each shape of syntax that the documentation of the Docker
// driver, written in the days of HCL 1, shows its readers.
func TestShapesOfTheDriversPageParse(t *testing.T) {
	for name, src := range map[string]string{
		"task with map block": `
task "cache" {
  driver = "docker"

  config {
    image = "memcached:1.6"
    labels {
      team = "cache"
    }
  }
}`,
		"image with protocol": `
config {
  image = "https://registry.example.com/memcached:1.6"
}`,
		"list with runtime names": `
config {
  args = [
    "-l", "${NOMAD_PORT_cache}",
    "${nomad.datacenter}",
    "${SOME_ENV}",
    "${meta.rack}",
  ]
}`,
		"plain string":     "config {\n  command = \"run-it\"\n}",
		"dotted key":       "config {\n  sysctl {\n    net.ipv4.tcp_syncookies = \"1\"\n  }\n}",
		"map of quoted":    "config {\n  ulimit {\n    core   = \"0\"\n    memlock = \"1024:2048\"\n  }\n}",
		"labels":           "config {\n  labels {\n    one = \"1\"\n    two = \"2\"\n  }\n}",
		"block and config": "artifact {\n  source = \"http://host.example/cache.tar\"\n}\nconfig {\n  load = \"cache.tar\"\n  image = \"cache\"\n}",
		"nested config": `
config {
  logging {
    type = "gelf"
    config {
      gelf-address = "udp://localhost:12201"
      tag = "cache"
    }
  }
}`,
		"list of templates": `
config {
  network_mode = "backend"
  network_aliases = [
    "${NOMAD_TASK_NAME}",
    "${NOMAD_TASK_NAME}-${NOMAD_ALLOC_INDEX}"
  ]
}`,
		"list with trailing comma": "config {\n  security_opt = [\n    \"label=disable\",\n  ]\n}",
		"list with comments": `
config {
  volumes = [
    # Absolute.
    "/srv/cache:/cache",

    # Relative.
    "cache/data:/data"
  ]
}`,
		"comment between options": `
config {
  volumes = [
    # A named volume.
    "cache-volume:/data"
  ]
  # Its driver.
  volume_driver = "local"
}`,
		"blocks inside an object of a list": `
config {
  mounts = [
    {
      target = "/data"
      source = "cache-volume"
      readonly = true
      volume_options {
        no_copy = true
        labels {
          team = "cache"
        }
        driver_config {
          name = "local"
          options = {
            type = "tmpfs"
          }
        }
      }
    }
  ]
}`,
		"list of objects": `
config {
  devices = [
    {
      host_path = "/dev/null"
      container_path = "/dev/nothing"
      cgroup_permissions = "rw"
    },
    {
      host_path = "/dev/zero"
      container_path = "/dev/nil"
    }
  ]
}`,
		"auth":               "task \"t\" {\n  driver = \"docker\"\n\n  config {\n    image = \"private/cache\"\n\n    auth {\n      username = \"u\"\n      password = \"p\"\n    }\n  }\n}",
		"quoted option":      "client {\n  enabled = true\n  options {\n    \"docker.auth.helper\" = \"pass\"\n  }\n}",
		"ports":              "task \"t\" {\n  driver = \"docker\"\n\n  resources {\n    network {\n      port \"a\" {}\n      port \"b\" {}\n    }\n  }\n}",
		"one port":           "port \"a\" {}",
		"port map":           "task \"t\" {\n  config {\n    image = \"cache\"\n\n    port_map {\n      a = 11211\n    }\n  }\n\n  resources {\n    network {\n      mbits = 10\n      port \"a\" {}\n    }\n  }\n}",
		"only quoted option": "client {\n  options {\n    \"docker.cleanup.image\" = \"true\"\n  }\n}",
		"constraint":         "job \"j\" {\n  # Why.\n  constraint {\n    attribute = \"${driver.docker.version}\"\n    operator  = \">\"\n    version   = \"20.10\"\n  }\n}",
	} {
		if _, diags := hclx.Parse([]byte(src), "page.hcl"); len(diags) > 0 {
			t.Errorf("%s: %v", name, diags)
		}
	}
}
