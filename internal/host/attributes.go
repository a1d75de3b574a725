package host

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"reconciler/internal/job"
)

// The names of the attributes that this machine has, as they stand behind
// "attr." in a spec.
const (
	AttrCPUArch     = "cpu.arch"           // as Go writes it: amd64, arm64
	AttrCPUFreq     = job.AttrCPUFrequency // MHz of one core
	AttrCPUCores    = "cpu.numcores"       // that the agent may use
	AttrMemory      = "memory.totalbytes"
	AttrKernel      = "kernel.name" // linux
	AttrKernelVer   = "kernel.version"
	AttrOS          = "os.name" // ID of os-release: debian, ubuntu
	AttrOSVersion   = "os.version"
	AttrHostname    = "unique.hostname"
	AttrHostAddress = job.AttrHostAddress // Address("", "")
)

// osReleaseFiles in the order of os-release(5).
var osReleaseFiles = []string{"/etc/os-release", "/usr/lib/os-release"}

// Node is this host in the words of the house. The maps are used as they are.
func Node(id, name, datacenter, region string, meta, attrs map[string]string) job.Node {
	return job.Node{
		ID: id, Name: name, Datacenter: datacenter, Region: region,
		Meta: meta, Attributes: attrs,
	}
}

// Attributes reads what this machine is. What cannot be read is left out:
// no attribute is better than a wrong one.
func Attributes() map[string]string {
	attrs := map[string]string{
		AttrCPUArch:  runtime.GOARCH,
		AttrCPUCores: strconv.Itoa(runtime.NumCPU()),
	}
	set := func(name, value string) {
		if value != "" {
			attrs[name] = value
		}
	}
	set(AttrCPUFreq, cpuFrequency())
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		set(AttrKernel, strings.ToLower(unix.ByteSliceToString(uts.Sysname[:])))
		set(AttrKernelVer, unix.ByteSliceToString(uts.Release[:]))
		set(AttrHostname, unix.ByteSliceToString(uts.Nodename[:]))
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		set(AttrMemory, memTotal(string(b)))
	}
	for _, path := range osReleaseFiles {
		if b, err := os.ReadFile(path); err == nil {
			release := parseOSRelease(string(b))
			set(AttrOS, release["ID"])
			set(AttrOSVersion, release["VERSION_ID"])
			break
		}
	}
	if addr, err := Address("", ""); err == nil {
		set(AttrHostAddress, addr)
	}
	return attrs
}

// cpuFrequency is the highest speed of the first core in MHz. The kernel tells
// it in kHz where it can change the speed; where it cannot, as in a virtual
// machine, the speed is what it is now.
func cpuFrequency() string {
	if b, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"); err == nil {
		if khz, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && khz > 1000 {
			return strconv.Itoa(khz / 1000)
		}
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		return cpuMHz(string(b))
	}
	return ""
}

// cpuMHz reads "cpu MHz : 2600.012" and returns whole MHz, or nothing.
func cpuMHz(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) != "cpu MHz" {
			continue
		}
		if mhz, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && mhz >= 1 {
			return strconv.Itoa(int(mhz))
		}
	}
	return ""
}

// memTotal reads "MemTotal:  16316412 kB" and returns bytes, or nothing.
func memTotal(meminfo string) string {
	for line := range strings.Lines(meminfo) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "MemTotal:" || f[2] != "kB" {
			continue
		}
		if kb, err := strconv.ParseUint(f[1], 10, 53); err == nil {
			return strconv.FormatUint(kb*1024, 10)
		}
	}
	return ""
}

// parseOSRelease reads the assignments of os-release(5); values may be in
// single or double quotes.
func parseOSRelease(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		out[key] = value
	}
	return out
}
