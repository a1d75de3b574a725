package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"reconciler/internal/job"
	"reconciler/store"
)

// Time bounds of the servers. Answers come from memory.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 30 * time.Second
	stopTimeout  = 2 * time.Second
)

// Agent is what the server asks of the running agent. Every method answers
// from memory but ConfirmDeletions, which may wait for a scan of the manifest
// directory.
type Agent interface {
	Status() Status
	Events() []store.Event
	// Services returns the instances of all services, as the function of that
	// name sorts them.
	Services() []store.ServiceRecord
	// Plan tells what would be done from here, in order.
	Plan() ([]job.Forecast, error)
	// ConfirmDeletions lets the deletions that are held go on, and names the
	// jobs.
	ConfirmDeletions(ctx context.Context) ([]string, error)
	Health() Health
	// Ask records what an operator asks of a job; it is acted on soon after.
	// The error says that no such job is known.
	Ask(ctx context.Context, jobName string, r Request) error
}

// Request is what an operator asks of a job.
type Request string

// The requests.
const (
	RequestHold        Request = "hold"         // leave it alone
	RequestRelease     Request = "release"      // end a hold
	RequestRetry       Request = "retry"        // forget backoff and failures
	RequestRestart     Request = "restart"      // replace every allocation
	RequestRestartPull Request = "restart-pull" // the same, and ask the registry for the image
)

var requests = []Request{RequestHold, RequestRelease, RequestRetry, RequestRestart, RequestRestartPull}

// Health is the verdict on the agent itself.
type Health struct {
	OK     bool              `json:"ok"`
	Checks map[string]string `json:"checks"` // "ok", or what is wrong
}

// Confirmed is the answer to confirm-deletions.
type Confirmed struct {
	Jobs []string `json:"jobs"`
}

// failure is the body of an answer that is no success.
type failure struct {
	Error string `json:"error"`
}

// Server serves the control socket, and health on a TCP address if one is
// given.
type Server struct {
	Agent Agent
	Dir   string // data directory; the socket lies in it
	HTTP  string // host:port for health; empty is off
	Log   logrus.FieldLogger
}

// Run serves until ctx ends. The error says what could not be listened on.
func (s *Server) Run(ctx context.Context) error {
	unix, err := listen(ctx, s.Dir)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, unix, s.control()) })
	if s.HTTP != "" {
		var lc net.ListenConfig
		tcp, err := lc.Listen(ctx, "tcp", s.HTTP)
		if err != nil {
			_ = unix.Close()
			return fmt.Errorf("http address: %w", err)
		}
		s.Log.WithField("address", tcp.Addr().String()).Info("health served")
		g.Go(func() error { return serve(ctx, tcp, s.public()) })
	}
	return g.Wait()
}

func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadTimeout: readTimeout, WriteTimeout: writeTimeout}
	stop := context.AfterFunc(ctx, func() {
		down, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = srv.Shutdown(down) // what is left is cut off with the process
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// public is what anybody on the host may see.
func (s *Server) public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	return mux
}

// control is what root may see and do.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Agent.Status()) })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Agent.Events()) })
	mux.HandleFunc("GET /v1/services", s.services)
	mux.HandleFunc("GET /v1/plan", s.plan)
	mux.HandleFunc("POST /v1/confirm-deletions", s.confirm)
	mux.HandleFunc("POST /v1/jobs/{job}/{request}", s.ask)
	return mux
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	h := s.Agent.Health()
	code := http.StatusOK
	if !h.OK {
		code = http.StatusServiceUnavailable
	}
	answer(w, code, h)
}

func (s *Server) services(w http.ResponseWriter, _ *http.Request) {
	list := s.Agent.Services()
	if list == nil {
		list = []store.ServiceRecord{}
	}
	answer(w, http.StatusOK, list)
}

func (s *Server) plan(w http.ResponseWriter, _ *http.Request) {
	steps, err := s.Agent.Plan()
	if err != nil {
		answer(w, http.StatusConflict, failure{Error: err.Error()})
		return
	}
	if steps == nil {
		steps = []job.Forecast{}
	}
	answer(w, http.StatusOK, steps)
}

func (s *Server) confirm(w http.ResponseWriter, r *http.Request) {
	names, err := s.Agent.ConfirmDeletions(r.Context())
	if err != nil {
		answer(w, http.StatusConflict, failure{Error: err.Error()})
		return
	}
	if names == nil {
		names = []string{}
	}
	answer(w, http.StatusOK, Confirmed{Jobs: names})
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request) {
	req := Request(r.PathValue("request"))
	if !slices.Contains(requests, req) {
		answer(w, http.StatusNotFound, failure{Error: fmt.Sprintf("no request is called %q", req)})
		return
	}
	if err := s.Agent.Ask(r.Context(), r.PathValue("job"), req); err != nil {
		answer(w, http.StatusConflict, failure{Error: err.Error()})
		return
	}
	answer(w, http.StatusOK, struct{}{})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client is gone; there is nobody to tell
}
