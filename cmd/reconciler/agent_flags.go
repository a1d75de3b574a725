package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"reconciler/internal/config"
)

// agentFlags are the options of the configuration that are flags as well. A
// flag that is given wins over the file.
type agentFlags struct {
	manifests, name, http, logLevel, logFormat, endpoint string
	imageDelay, deleteGrace                              time.Duration
}

func (f *agentFlags) register(cmd *cobra.Command) {
	d := config.Default()
	fs := cmd.Flags()
	fs.StringVar(&f.manifests, "manifests", d.ManifestDir, "directory of the manifests")
	fs.StringVar(&f.name, "name", "", "name of this node, for people (default the host name)")
	fs.StringVar(&f.http, "http", "", "host:port to serve health on (default off)")
	fs.StringVar(&f.logLevel, "log-level", d.LogLevel, "trace, debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", d.LogFormat, "text or json")
	fs.StringVar(&f.endpoint, "docker-endpoint", "", "Docker endpoint, as in unix:///var/run/docker.sock (default DOCKER_HOST, then that)")
	fs.DurationVar(&f.imageDelay, "image-delay", d.Client.Docker.CleanupImageDelay, "how long an image must be unused before it is deleted")
	fs.DurationVar(&f.deleteGrace, "delete-grace", d.DeleteGrace, "how long a file must be gone before its jobs are deleted")
}

// registerPlan registers those that a plan depends on.
func (f *agentFlags) registerPlan(cmd *cobra.Command) {
	d := config.Default()
	fs := cmd.Flags()
	fs.StringVar(&f.manifests, "manifests", d.ManifestDir, "directory of the manifests, if no agent answers")
	fs.StringVar(&f.endpoint, "docker-endpoint", "", "Docker endpoint, if no agent answers (default DOCKER_HOST, then the default socket)")
}

// override sets in cfg what was given on the command line, and checks the
// whole.
func (f *agentFlags) override(cmd *cobra.Command, cfg *config.Config) error {
	for name, set := range map[string]func(){
		"manifests":       func() { cfg.ManifestDir = f.manifests },
		"name":            func() { cfg.Name = f.name },
		"http":            func() { cfg.HTTP = f.http },
		"log-level":       func() { cfg.LogLevel = f.logLevel },
		"log-format":      func() { cfg.LogFormat = f.logFormat },
		"docker-endpoint": func() { cfg.Client.Docker.Endpoint = f.endpoint },
		"image-delay":     func() { cfg.Client.Docker.CleanupImageDelay = f.imageDelay },
		"delete-grace":    func() { cfg.DeleteGrace = f.deleteGrace },
	} {
		if cmd.Flags().Changed(name) {
			set()
		}
	}
	for _, dir := range []*string{&cfg.ManifestDir, &cfg.DataDir} {
		if *dir == "" {
			continue // Validate says which one; the working directory is not meant
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("working directory: %w", err)
		}
		*dir = abs
	}
	return cfg.Validate()
}
