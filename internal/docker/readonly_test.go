package docker

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

func TestReadOnlyClientRefusesWrites(t *testing.T) {
	var methods []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods = append(methods, r.Method)
		w.Header().Set("Api-Version", "1.41")
		_, _ = w.Write([]byte("[]"))
	}))
	defer srv.Close()
	cli, err := NewReadOnlyClient(ClientConfig{Endpoint: "tcp://" + srv.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	if _, err := cli.ContainerList(t.Context(), container.ListOptions{}); err != nil {
		t.Errorf("a list is refused: %v", err)
	}
	_, execErr := cli.ContainerExecCreate(t.Context(), "x", container.ExecOptions{Cmd: []string{"/x"}})
	_, attachErr := cli.ContainerExecAttach(t.Context(), "x", container.ExecAttachOptions{})
	for name, err := range map[string]error{
		"exec":   execErr,
		"attach": attachErr, // becomes a raw stream, for which the client dials by itself
		"start":  cli.ContainerStart(t.Context(), "x", container.StartOptions{}),
		"remove": cli.ContainerRemove(t.Context(), "x", container.RemoveOptions{}),
		"kill":   cli.ContainerKill(t.Context(), "x", "SIGKILL"),
	} {
		if err == nil || !strings.Contains(err.Error(), "a dry run makes no write call") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, m := range methods {
		if m != http.MethodGet && m != http.MethodHead {
			t.Errorf("%s reached the engine", m)
		}
	}
}

// TestReadOnlyClientSpeaksTLS: to the same engine as the client that it is made
// from.
func TestReadOnlyClientSpeaksTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		_, _ = w.Write([]byte("[]"))
	}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	cli, err := NewReadOnlyClient(ClientConfig{Endpoint: "tcp://" + srv.Listener.Addr().String(), TLSCA: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	if _, err := cli.ContainerList(t.Context(), container.ListOptions{}); err != nil {
		t.Errorf("list: %v", err)
	}
	if _, err := cli.ContainerExecAttach(t.Context(), "x", container.ExecAttachOptions{}); err == nil || !strings.Contains(err.Error(), "a dry run makes no write call") {
		t.Errorf("attach: %v", err)
	}
}
