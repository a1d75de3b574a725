package host

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tcpListen is the state of a listening socket in /proc/net/tcp
// (include/net/tcp_states.h).
const tcpListen = "0A"

// processOn names the process that has a socket on the port, "nginx, pid 12",
// or is empty when it cannot be known: another user's, or in another network
// namespace. It reads /proc and is called only to explain a conflict.
func processOn(addr netip.Addr, port int) string {
	var inodes []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		content, err := os.ReadFile("/proc/net/" + table)
		if err == nil {
			inodes = append(inodes, socketInodes(string(content), strings.HasPrefix(table, "tcp"), addr, port)...)
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return ""
	}
	for _, dir := range dirs {
		if !hasSocket(dir, inodes) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err == nil {
			return fmt.Sprintf("%s, pid %s", strings.TrimSpace(string(name)), filepath.Base(dir))
		}
	}
	return ""
}

// socketInodes reads a table of /proc/net for sockets that overlap the port.
func socketInodes(table string, listening bool, addr netip.Addr, port int) []string {
	var out []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || (listening && f[3] != tcpListen) {
			continue
		}
		local, ok := parseSocketAddr(f[1])
		if ok && int(local.Port()) == port && overlap(local.Addr(), addr) && f[9] != "0" {
			out = append(out, f[9])
		}
	}
	return out
}

// parseSocketAddr reads "0100007F:1F90": words of 32 bits as a little-endian
// machine holds them, then the port. On a big-endian machine the address is
// read wrongly, and the holder is not found.
func parseSocketAddr(s string) (netip.AddrPort, bool) {
	ip, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(ip)
	if !ok || err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word)
	}
	addr, ok := netip.AddrFromSlice(b)
	n, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok && err == nil
}

func hasSocket(procDir string, inodes []string) bool {
	fds, err := os.ReadDir(filepath.Join(procDir, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		link, err := os.Readlink(filepath.Join(procDir, "fd", fd.Name()))
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(link, "socket:[")
		if ok && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
			return true
		}
	}
	return false
}
