package docker

import (
	"strings"
	"sync"
)

// maxLeft bounds the commands that are remembered; far more than there are
// script checks. Beyond it the oldest knowledge is no use, so any goes.
const maxLeft = 1024

// leftExecs are the commands that were given up while they ran, by execKey.
type leftExecs struct {
	mu  sync.Mutex
	ids map[string]string
}

func newLeftExecs() *leftExecs { return &leftExecs{ids: map[string]string{}} }

func (l *leftExecs) leave(key, execID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.ids {
		if len(l.ids) < maxLeft {
			break
		}
		delete(l.ids, k)
	}
	l.ids[key] = execID
}

// left is the exec id of a command, or "".
func (l *leftExecs) left(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[key]
}

func (l *leftExecs) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, key)
}

// gone forgets the commands of a container that was removed.
func (l *leftExecs) gone(containerID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.ids {
		if strings.HasPrefix(k, containerID+"\x00") {
			delete(l.ids, k)
		}
	}
}
