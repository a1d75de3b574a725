package docker

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// PullProgress is how far a pull or load has come. It lives in memory only.
type PullProgress struct {
	Ref        string    `json:"ref"`
	Source     string    `json:"source"` // SourcePull, or the path of an archive
	Waiting    bool      `json:"waiting,omitempty"`
	BytesDone  int64     `json:"bytes_done"`
	BytesTotal int64     `json:"bytes_total"` // grows while the engine learns of layers
	Layers     int       `json:"layers"`
	LayersDone int       `json:"layers_done"`
	Since      time.Time `json:"since"`
	Waiters    int       `json:"waiters"` // tasks that wait for it
}

// Progress returns the pulls and loads under way, by reference. Those that
// wait for one of the slots are Waiting.
func (e *Engine) Progress() []PullProgress {
	out := e.pulls.progress()
	slices.SortFunc(out, func(a, b PullProgress) int { return cmp.Compare(a.Ref, b.Ref) })
	return out
}

// message is one line of the engine's progress stream
// (moby pkg/jsonmessage.JSONMessage; only what we read).
type message struct {
	ID       string         `json:"id"`
	Status   string         `json:"status"`
	Stream   string         `json:"stream"`
	Progress progressDetail `json:"progressDetail"`
	Error    *streamError   `json:"errorDetail"`
	Text     string         `json:"error"` // the error of engines that give no detail
}

type progressDetail struct {
	Current int64 `json:"current"`
	Total   int64 `json:"total"`
}

// streamError is an error that the engine wrote into the stream, after it had
// already answered 200.
type streamError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *streamError) Error() string { return e.Message }

// err is the error that the message carries, or nil.
func (m message) err() error {
	switch {
	case m.Error != nil && m.Error.Message != "":
		return m.Error
	case m.Text != "":
		return &streamError{Message: m.Text}
	}
	return nil
}

// meter adds up the messages of one stream.
type meter struct {
	mu      sync.Mutex
	layers  map[string]layer
	done    int64 // bytes without a layer: those of an archive
	total   int64
	started bool
}

type layer struct {
	current, total int64
	complete       bool
}

func newMeter() *meter { return &meter{layers: map[string]layer{}} }

func (m *meter) start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = true
}

// archive sets how many bytes of an archive of size total were sent.
func (m *meter) archive(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done, m.total = done, total
}

// add counts a message. The status words are the engine's own
// (moby distribution/pull_v2.go) and matter to the progress only.
func (m *meter) add(msg message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, known := m.layers[msg.ID]
	switch msg.Status {
	case "Pulling fs layer", "Waiting":
	case "Downloading":
		l.current, l.total = msg.Progress.Current, max(l.total, msg.Progress.Total)
	case "Download complete", "Verifying Checksum", "Extracting":
		l.current = l.total
	case "Already exists", "Pull complete":
		l.current, l.complete = l.total, true
	default:
		if !known {
			return // about the image, not about a layer
		}
	}
	if msg.ID != "" {
		m.layers[msg.ID] = l
	}
}

// read fills in the numbers of p.
func (m *meter) read(p *PullProgress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Waiting = !m.started
	p.BytesDone, p.BytesTotal = m.done, m.total
	p.Layers = len(m.layers)
	for _, l := range m.layers {
		p.BytesDone += l.current
		p.BytesTotal += l.total
		if l.complete {
			p.LayersDone++
		}
	}
}
