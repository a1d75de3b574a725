package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const nodeIDName = "node-id"

// nodeIDForm is what an id may look like: it becomes a label, part of a
// socket's name and of filters. A person may have written one of their own.
var nodeIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func validNodeID(id string) bool { return nodeIDForm.MatchString(id) }

// machineIDFiles are where the machine says who it is, best first
// (machine-id(5); the second is what dbus made before systemd did).
var machineIDFiles = []string{"/etc/machine-id", "/var/lib/dbus/machine-id"}

// takeNodeID settles the id: that of the file node-id; if that is gone, the
// one in the state file; else a new one, written to node-id. With another id
// our containers would be strangers, so it must outlast what it can.
func (s *Store) takeNodeID() error {
	stored := s.nodeID // from the state file
	id := readNodeID(s.dir)
	switch {
	case id != "" && stored != "" && id != stored:
		s.log.Warnf("node id is %s now; the state file was written under %s", id, stored)
	case id != "":
	case stored != "":
		id = stored
		s.log.Warnf("node-id was lost: %s taken from the state file", id)
	default:
		id = newNodeID(s.dir, machineID(machineIDFiles))
	}
	s.nodeID = id
	if readNodeID(s.dir) == id {
		return nil
	}
	return writeNodeID(s.dir, id)
}

// readNodeID returns the id in dir, or "" if there is none that can be used.
func readNodeID(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, nodeIDName))
	if id := strings.TrimSpace(string(text)); err == nil && validNodeID(id) {
		return id
	}
	return ""
}

func writeNodeID(dir, id string) error {
	path := filepath.Join(dir, nodeIDName)
	err := writeSynced(path+".new", id+"\n")
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("node id: %w", err)
	}
	return nil
}

func writeSynced(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// machineID returns the id of this machine, "" if it has none.
func machineID(files []string) string {
	for _, name := range files {
		text, err := os.ReadFile(name)
		id := strings.TrimSpace(string(text))
		if err == nil && id != "" && id != "uninitialized" {
			return id
		}
	}
	return ""
}

// newNodeID makes the id of the agent on the data directory dir. It is the
// same again after the loss of the directory, and random without a machine id.
// The machine id itself is confidential (machine-id(5)) and only a key here.
func newNodeID(dir, machine string) string {
	var sum []byte
	if machine == "" {
		sum = make([]byte, 16)
		_, _ = rand.Read(sum) // never fails
	} else {
		mac := hmac.New(sha256.New, []byte(machine))
		_, _ = mac.Write([]byte("reconciler node-id v1\x00" + dir))
		sum = mac.Sum(nil)[:16]
	}
	sum[6] = sum[6]&0x0f | 0x80 // RFC 9562: version 8, of our own making
	sum[8] = sum[8]&0x3f | 0x80 // its variant
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}
