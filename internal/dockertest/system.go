package dockertest

import (
	"io"
	"net/http"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/system"
)

// EngineID is what the engine answers as the ID of /info.
const EngineID = "DOCK:ERTE:ST00"

func (e *Engine) handlePing(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.Header().Set("Cache-Control", "no-cache, no-store, must-revalidate")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodGet {
		_, _ = io.WriteString(c.w, "OK")
	}
	return nil
}

func (e *Engine) handleVersion(c *call) error {
	return c.answer(http.StatusOK, types.Version{
		Version: release(e.opts.APIVersion).version, APIVersion: e.opts.APIVersion, MinAPIVersion: e.opts.MinAPIVersion,
		Os: "linux", Arch: "amd64", KernelVersion: "6.1.0",
	})
}

func (e *Engine) handleInfo(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	info := system.Info{
		ID: EngineID, ServerVersion: release(e.opts.APIVersion).version, Name: "dockertest", Driver: "dockertest",
		OSType: "linux", Architecture: "x86_64", NCPU: 2, MemTotal: 4 << 30, Containers: len(e.cons), Images: len(e.images),
		DefaultRuntime: "runc", LoggingDriver: "json-file", CgroupDriver: "cgroupfs", CgroupVersion: "1",
		DockerRootDir: "/var/lib/docker", LiveRestoreEnabled: e.opts.LiveRestore, KernelVersion: "6.1.0",
		OperatingSystem: "dockertest", OomKillDisable: true, MemoryLimit: true, SwapLimit: true,
	}
	if e.opts.CgroupV2 {
		info.CgroupVersion, info.CgroupDriver, info.OomKillDisable = "2", "systemd", false
	}
	for _, con := range e.cons {
		switch {
		case con.state.paused:
			info.ContainersPaused++
		case con.state.running:
			info.ContainersRunning++
		default:
			info.ContainersStopped++
		}
	}
	return c.answer(http.StatusOK, info)
}
