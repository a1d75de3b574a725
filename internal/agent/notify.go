package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// statusEvery is how often the line that `systemctl status` shows is renewed,
// if there is another one.
const statusEvery = time.Second

// notify tells systemd that the agent is ready, how it is, and that it lives
// (sd_notify(3)). Without systemd every message is dropped by the library.
// READY comes after the first full scan and the first attempted list: with
// dockerd away the agent is ready, and waits.
func (a *Agent) notify(ctx context.Context) error {
	for _, ready := range []<-chan struct{}{a.Watcher.Scanned(), a.Cache.Attempted()} {
		select {
		case <-ready:
		case <-ctx.Done():
			return nil
		}
	}
	last := a.statusLine()
	a.tell(daemon.SdNotifyReady + "\nSTATUS=" + last)
	beat, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.log.WithError(err).Warn("watchdog not fed: its interval cannot be read")
	}
	every := statusEvery
	if beat > 0 {
		every = min(every, beat/2)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.tell(daemon.SdNotifyStopping)
			return nil
		case now := <-tick.C:
			if beat > 0 && a.stuck(now) == "" {
				a.tell(daemon.SdNotifyWatchdog)
			}
			if line := a.statusLine(); line != last {
				last = line
				a.tell("STATUS=" + line)
			}
		}
	}
}

func (a *Agent) statusLine() string {
	d := a.dockerStatus()
	if !d.Connected {
		return "waiting for Docker: " + d.Problem
	}
	return fmt.Sprintf("%d jobs, Docker %s", a.Store.Jobs.Len(), d.Version)
}

func (a *Agent) tell(msg string) {
	if _, err := daemon.SdNotify(false, msg); err != nil {
		a.log.WithError(err).Debug("systemd not notified")
	}
}
