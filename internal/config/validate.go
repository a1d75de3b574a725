package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"reconciler/internal/job"
)

const maxPort = 65535

// logLevels are those of the log that mean something to an operator.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// Validate reports, in one line, the first thing that is wrong with c, by the
// name that it has in the file. It is meant for a Config that flags were put
// into; Load has checked what stands in the file already. Directories must be
// absolute by then.
func (c Config) Validate() error {
	docker := c.Client.Docker
	for _, f := range []struct {
		name, value string
		check       func(string) (string, error)
	}{
		{"name", c.Name, checkName},
		{"datacenter", c.Datacenter, checkName},
		{"region", c.Region, checkName},
		{"manifest_dir", c.ManifestDir, checkDir},
		{"data_dir", c.DataDir, checkDir},
		{"log_level", c.LogLevel, checkLogLevel},
		{"log_format", c.LogFormat, checkLogFormat},
		{"http", c.HTTP, checkHTTP},
		{"client.network_ip", c.Client.NetworkIP, checkIP},
		{"client.network_interface", c.Client.NetworkInterface, checkInterface},
		{"docker.endpoint", docker.Endpoint, checkEndpoint},
		{"docker.tls.cert", docker.TLS.Cert, checkFile},
		{"docker.tls.key", docker.TLS.Key, checkFile},
		{"docker.tls.ca", docker.TLS.CA, checkFile},
		{"docker.auth.config", docker.AuthConfig, checkFile},
		{"docker.auth.helper", docker.AuthHelper, checkHelper},
		{"docker.volumes.selinuxlabel", docker.SELinuxLabel, checkSELinux},
		{"docker.logging.type", docker.LogType, checkName},
	} {
		if _, err := f.check(f.value); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	switch {
	case c.DeleteGrace < 0:
		return fmt.Errorf("delete_grace: %s is negative", c.DeleteGrace)
	case docker.CleanupImageDelay < 0:
		return fmt.Errorf("docker.cleanup.image.delay: %s is negative", docker.CleanupImageDelay)
	case docker.PullActivityTimeout <= 0:
		return fmt.Errorf("docker.pull.activity_timeout: %s is not above 0", docker.PullActivityTimeout)
	}
	if err := checkPorts(c.Client); err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return checkTLS(docker)
}

// Warnings tells what c has that will not do what its author may expect. Ask
// when flags are set: one of them may have taken the cause away. The engine is
// the address that the Docker client speaks to; "" if there is no client, and
// then Endpoint is all that is known.
func (c Config) Warnings(engine string) []string {
	var out []string
	docker := c.Client.Docker
	switch {
	case !docker.TLS.Set():
	case docker.Endpoint == "":
		out = append(out, "docker.tls.* is ignored: set docker.endpoint too")
	case strings.HasPrefix(docker.Endpoint, "unix://"):
		out = append(out, "docker.tls.* is ignored: docker.endpoint is a socket of this host")
	}
	if engine == "" {
		engine = docker.Endpoint
	}
	if u, err := url.Parse(engine); err == nil && engine != "" && u.Scheme != "unix" && !loopback(u.Hostname()) {
		out = append(out, fmt.Sprintf("the Docker engine at %s is on another host: binds, allocation directories and port tests mean this one", engine))
	}
	return out
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func checkName(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("it must not be empty")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", fmt.Errorf("%q has characters that cannot be printed", s)
	}
	return s, nil
}

func checkDir(s string) (string, error) {
	if !filepath.IsAbs(s) {
		return "", fmt.Errorf("%q is no absolute path", s)
	}
	return filepath.Clean(s), nil
}

// checkFile takes the path of a file; "" is none.
func checkFile(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	return checkDir(s)
}

// checkHelper takes NAME of a program docker-credential-NAME, or the whole of
// the program's name; "" is none.
func checkHelper(s string) (string, error) {
	name := strings.TrimPrefix(s, "docker-credential-")
	if s != "" && name == "" || strings.ContainsFunc(name, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return "", fmt.Errorf(`%q is no name of a helper; write NAME of a program docker-credential-NAME in the agent's PATH, such as "ecr"`, s)
	}
	return name, nil
}

func checkLogLevel(s string) (string, error) {
	level := strings.ToLower(s)
	if level == "warning" {
		level = "warn"
	}
	if !slices.Contains(logLevels, level) {
		return "", fmt.Errorf("%q is none of %s", s, strings.Join(logLevels, ", "))
	}
	return level, nil
}

func checkLogFormat(s string) (string, error) {
	if s != FormatText && s != FormatJSON {
		return "", fmt.Errorf("%q is neither %s nor %s", s, FormatText, FormatJSON)
	}
	return s, nil
}

func checkMassDeletion(s string) (string, error) {
	if s != "hold" && s != "allow" {
		return "", fmt.Errorf("%q is neither hold nor allow", s)
	}
	return s, nil
}

// checkHTTP takes an address to listen on; "" and "off" are none.
func checkHTTP(s string) (string, error) {
	if s == "" || s == "off" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(s)
	n, portErr := strconv.Atoi(port)
	_, ipErr := netip.ParseAddr(host)
	if err != nil || portErr != nil || n < 0 || n > maxPort || ipErr != nil && host != "" && host != "localhost" {
		return "", fmt.Errorf("%q is no address to listen on; write one such as 127.0.0.1:4646, or off", s)
	}
	return s, nil
}

func checkIP(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return "", fmt.Errorf("%q is no IP address", s)
	}
	return ip.String(), nil
}

// checkInterface takes what Linux takes for an interface; "" is none.
func checkInterface(s string) (string, error) {
	const maxLen = 15 // IFNAMSIZ without its end
	if len(s) > maxLen || strings.ContainsAny(s, "/ \t\n") || s == "." || s == ".." {
		return "", fmt.Errorf("%q cannot be a network interface", s)
	}
	return s, nil
}

// checkEndpoint takes what the Docker client can dial; "" is none.
func checkEndpoint(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
	case u.Scheme == "unix" && u.Host == "" && filepath.IsAbs(u.Path):
		return s, nil
	case slices.Contains([]string{"tcp", "http", "https"}, u.Scheme) && u.Hostname() != "":
		return s, nil
	}
	return "", fmt.Errorf("%q is no endpoint; write unix:///var/run/docker.sock or tcp://host:2376", s)
}

// checkSELinux takes the two relabelling modes of a bind; "" is none.
func checkSELinux(s string) (string, error) {
	if s != "" && s != "z" && s != "Z" {
		return "", fmt.Errorf(`%q is neither "z" (shared) nor "Z" (private)`, s)
	}
	return s, nil
}

func checkPorts(c Client) error {
	for _, p := range []struct {
		name string
		port int
	}{{"min_dynamic_port", c.MinDynamicPort}, {"max_dynamic_port", c.MaxDynamicPort}} {
		if p.port < 1 || p.port > maxPort {
			return fmt.Errorf("%s: %d is no port; write a number from 1 to %d", p.name, p.port, maxPort)
		}
	}
	if c.MinDynamicPort > c.MaxDynamicPort {
		return fmt.Errorf("min_dynamic_port is %d, above max_dynamic_port, which is %d", c.MinDynamicPort, c.MaxDynamicPort)
	}
	return nil
}

// checkTLS takes the TLS files of an endpoint. Files without an endpoint, and
// on a socket, are only warned of: see Warnings.
func checkTLS(d Docker) error {
	if (d.TLS.Cert == "") != (d.TLS.Key == "") {
		return errors.New("docker.tls.cert and docker.tls.key belong together: set both or none")
	}
	if rest, ok := strings.CutPrefix(d.Endpoint, "http://"); ok && d.TLS.Set() {
		return fmt.Errorf("docker.endpoint %s is without TLS, and docker.tls.* is set: write tcp://%s, or drop docker.tls.*", d.Endpoint, rest)
	}
	return nil
}

func checkCapability(s string) (string, error) {
	name, ok := job.NormalCapability(s)
	if !ok {
		return "", fmt.Errorf("%q is no capability of Linux; write names as in capabilities(7), such as NET_ADMIN, or ALL", s)
	}
	return name, nil
}

// checkDevice takes the path of a device, in which * and ? stand for what a
// name may be (path.Match).
func checkDevice(s string) (string, error) {
	if !path.IsAbs(s) {
		return "", fmt.Errorf("%q is no absolute path of a device", s)
	}
	clean := path.Clean(s)
	if _, err := path.Match(clean, "/"); err != nil {
		return "", fmt.Errorf("%q is no pattern: a '[' needs its ']'", s)
	}
	return clean, nil
}
