package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const lockName = "reconciler.lock"

// lockDir takes the lock that keeps a second agent off the data directory. The
// kernel frees it with the process, so a stale file is none. Close frees it;
// the file stays, since removing it would let two agents hold two inodes.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("instance lock: %w", err)
	}
	err = flock(file, syscall.LOCK_EX)
	if errors.Is(err, ErrBusy) {
		err = fmt.Errorf("%w: %s is held by %s", ErrLocked, path, holder(file))
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	writeHolder(file)
	return file, nil
}

// writeHolder leaves our process id for people. The lock holds without it: a
// full disk must not keep the agent from its containers.
func writeHolder(file *os.File) {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := file.WriteAt([]byte(text), 0); err == nil {
		_ = file.Truncate(int64(len(text))) // a longer id of before
	}
}

// holder names the process that wrote itself into the lock file.
func holder(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return "a process that did not leave its id"
	}
	return fmt.Sprintf("pid %d", pid)
}

// flock tries to lock file once; ErrBusy if somebody else holds the lock.
func flock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrBusy
		default:
			return fmt.Errorf("flock: %w", err)
		}
	}
}

// flockWait polls for the lock until wait has passed or ctx ends. The kernel
// has no lock with a timeout, and one without could not be given up.
func flockWait(ctx context.Context, file *os.File, how int, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := flock(file, how)
		if !errors.Is(err, ErrBusy) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}
