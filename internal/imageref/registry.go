package imageref

import "strings"

// Hub is the registry host of Docker Hub, as Domain returns it.
const Hub = "docker.io"

// HubLogin is the name under which `docker login` keeps the credentials for
// Docker Hub, in files and in helpers.
const HubLogin = "https://index.docker.io/v1/"

// hubNames are the hosts that people and programs write for Docker Hub.
var hubNames = map[string]bool{
	Hub: true, "index.docker.io": true, "registry-1.docker.io": true, "registry.hub.docker.com": true, "hub.docker.com": true,
}

// Host returns the host, with its port if it has one, of what people write
// for a registry: with a protocol, a path, or neither.
func Host(address string) string {
	host := strings.TrimSpace(address)
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	return strings.ToLower(host)
}

// Registry returns the registry that address means, in the form of Domain:
// all names of Docker Hub are one.
func Registry(address string) string {
	host := Host(address)
	if hubNames[host] {
		return Hub
	}
	return host
}
