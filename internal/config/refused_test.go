package config

import (
	"slices"
	"strings"
	"testing"
)

// outOfRange are values of the right type that an option refuses, and what is
// said. Every option that does not take any value must be here.
var outOfRange = map[string][]struct{ value, says string }{
	"name":          {{`""`, "name: it must not be empty"}},
	"datacenter":    {{`" "`, "datacenter: it must not be empty"}},
	"region":        {{`"\u0007"`, "has characters that cannot be printed"}},
	"manifest_dir":  {{`"jobs"`, `"jobs" is no absolute path`}},
	"data_dir":      {{`""`, `"" is no absolute path`}},
	"log_level":     {{`"loud"`, "is none of trace, debug, info, warn, error"}},
	"log_format":    {{`"xml"`, "is neither text nor json"}},
	"http":          {{`"4646"`, "write one such as 127.0.0.1:4646, or off"}, {`"127.0.0.1:65536"`, "is no address to listen on"}},
	"delete_grace":  {{`"5"`, `write one such as "30s"`}, {`"-5s"`, `"-5s" is negative`}},
	"mass_deletion": {{`"no"`, "is neither hold nor allow"}},

	"enabled":           {{`"yess"`, "is neither true nor false"}, {"false", "stop it instead"}},
	"network_ip":        {{`"10.0.0.256"`, "is no IP address"}},
	"network_interface": {{`"eth 0"`, "cannot be a network interface"}},
	"min_dynamic_port":  {{"0", "write a number from 1 to 65535"}, {"1.5", "write a number from 1 to 65535"}, {"32001", "above max_dynamic_port, which is 32000"}},
	"max_dynamic_port":  {{"65536", "write a number from 1 to 65535"}, {"19999", "min_dynamic_port is 20000, above max_dynamic_port"}},

	"docker.endpoint":              {{`"/var/run/docker.sock"`, "write unix:///var/run/docker.sock or tcp://host:2376"}, {`"npipe://x"`, "is no endpoint"}},
	"docker.tls.cert":              {{`"c.pem"`, "is no absolute path"}, {`"/c.pem"`, "docker.tls.cert and docker.tls.key belong together"}},
	"docker.tls.key":               {{`"k.pem"`, "is no absolute path"}, {`"/k.pem"`, "docker.tls.cert and docker.tls.key belong together"}},
	"docker.tls.ca":                {{`"ca.pem"`, "is no absolute path"}},
	"docker.auth.config":           {{`"config.json"`, "is no absolute path"}},
	"docker.auth.helper":           {{`"/usr/bin/docker-credential-ecr"`, "write NAME of a program docker-credential-NAME"}},
	"docker.cleanup.image":         {{`"flase"`, `"flase" is neither true nor false`}},
	"docker.cleanup.image.delay":   {{`"3"`, `write one such as "30s"`}, {`"-3m"`, "is negative"}},
	"docker.volumes.enabled":       {{`"on"`, `"on" is neither true nor false`}},
	"docker.volumes.selinuxlabel":  {{`"zz"`, `is neither "z" (shared) nor "Z" (private)`}},
	"docker.privileged.enabled":    {{`"yes"`, `"yes" is neither true nor false`}},
	"docker.caps.allowlist":        {{`"NET_ADMINN"`, "write names as in capabilities(7), such as NET_ADMIN, or ALL"}},
	"docker.devices.allowlist":     {{`"dev/null"`, "is no absolute path of a device"}, {`"/dev/["`, "a '[' needs its ']'"}},
	"docker.logging.type":          {{`""`, "it must not be empty"}},
	"docker.pull.activity_timeout": {{`"0s"`, `write a duration such as "2m"`}, {`"-1s"`, "is negative"}},
}

// anyValue are options that refuse no value of their type.
var anyValue = []string{"client", "meta", "options", loggingConfig + "max-size", loggingConfig + "max-file"}

// refused loads a text and checks that there is one problem, at its line, that
// says all of what.
func refused(t *testing.T, text string, what ...string) {
	t.Helper()
	_, err := load(t, text)
	if err == nil {
		t.Errorf("accepted:\n%s", text)
		return
	}
	for _, w := range append(what, ".hcl:") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("of\n%sit is said\n%v\nwant %q", text, err, w)
		}
	}
}

// TestOutOfRange: every option says what it takes instead.
func TestOutOfRange(t *testing.T) {
	for _, s := range sections() {
		for _, name := range s.known {
			cases := outOfRange[name]
			if len(cases) == 0 && !slices.Contains(anyValue, name) {
				t.Errorf("no value of %s is tried that it refuses", name)
			}
			for _, tc := range cases {
				refused(t, s.write(name+" = "+tc.value+"\n"), name, tc.says)
			}
		}
	}
}

// TestWrongType: every option says which type it wants, and what it got.
func TestWrongType(t *testing.T) {
	for _, s := range sections() {
		for _, name := range s.known {
			switch name {
			case "client":
				refused(t, "client = 1\n", "client is a block: write client { … }")
			case "meta", "options":
				refused(t, s.write(name+" = \"x\"\n"), name+" is a map: write "+name+" { … }")
			default:
				refused(t, s.write(name+" = null\n"), "Wrong type", name+" is ", "this is null")
				refused(t, s.write(name+" = {}\n"), "Wrong type", name+" is ", "this is a map")
				refused(t, s.write(name+" = [[1]]\n"), "Wrong type", name+" is ", "this is a list")
			}
		}
	}
}

// TestUnknown: a name with a letter too few is told the name that was meant.
func TestUnknown(t *testing.T) {
	for _, s := range sections() {
		for _, name := range s.known {
			if strings.HasPrefix(name, loggingConfig) {
				continue // any name may be an option of some log driver
			}
			// The last but one: "docker.tls.ca" less its last letter is no word.
			typo := name[:len(name)-2] + name[len(name)-1:]
			refused(t, s.write(typo+" = \"x\"\n"), `"`+typo+`" is not expected here`, `Did you mean "`+name+`"?`)
		}
	}
}

// TestFarFromAnyName: what resembles nothing gets no guess.
func TestFarFromAnyName(t *testing.T) {
	for _, s := range sections() {
		_, err := load(t, s.write("zzzzzzzzzzzz = 1\n"))
		if err == nil || strings.Contains(err.Error(), "Did you mean") || !strings.Contains(err.Error(), "is not expected here") {
			t.Errorf("%q: %v", s.heading, err)
		}
	}
}
