package allocdir

import (
	"bufio"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/job"
)

// handled serves one handler.
func handled(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestStatusOfTheServer(t *testing.T) {
	for status, want := range map[int]struct {
		kind   job.Kind
		reason string
	}{
		401: {job.WaitsForUser, ReasonArtifactDenied},
		403: {job.WaitsForUser, ReasonArtifactDenied},
		404: {job.WaitsForUser, ReasonArtifactNotFound},
		410: {job.WaitsForUser, ReasonArtifactNotFound},
		408: {job.Retried, ReasonArtifactFetch},
		429: {job.Retried, ReasonArtifactFetch},
		500: {job.Retried, ReasonArtifactFetch},
		502: {job.Retried, ReasonArtifactFetch},
		503: {job.Retried, ReasonArtifactFetch},
		304: {job.Retried, ReasonArtifactFetch},
	} {
		base := handled(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		d := fetching(t)
		err := fetch(t, d, job.Artifact{Source: base + "/x"})
		wants(t, err, want.kind, want.reason)
		if !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("the error does not tell %d: %v", status, err)
		}
		same(t, map[string]string{}, local(t, d))
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	err = fetch(t, fetching(t), job.Artifact{Source: "http://" + addr + "/x"})
	wants(t, err, job.Retried, ReasonArtifactFetch)
	if !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

// A body that ends early is no artifact, whichever way its length is told.
func TestCutBodies(t *testing.T) {
	for name, head := range map[string]string{
		"length": "Content-Length: 100\r\n\r\nhalf", "chunked": "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
		"between chunks": "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			base := handled(t, func(w http.ResponseWriter, _ *http.Request) {
				c, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n" + head)
				_ = rw.Flush()
				_ = c.Close()
			})
			d := fetching(t)
			wants(t, fetch(t, d, job.Artifact{Source: base + "/x"}), job.Retried, ReasonArtifactFetch)
			same(t, map[string]string{}, local(t, d))
		})
	}
}

// pipeServer answers every request in memory, so that a bubble's clock goes on.
func pipeServer(t *testing.T, d *Dirs, answer func(w io.Writer)) {
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	transport := newTransport()
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		served.Go(func() {
			in := bufio.NewReader(there)
			if _, err := http.ReadRequest(in); err == nil {
				answer(there)
			}
			_, _ = io.Copy(io.Discard, in) // until the client is gone
			_ = there.Close()
		})
		return here, nil
	}
	d.fetcher.transport = transport
}

func TestSilenceEndsADownload(t *testing.T) {
	d := fetching(t)
	synctest.Test(t, func(t *testing.T) {
		pipeServer(t, d, func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			for range 5 { // slow, but there
				time.Sleep(defaultLimits.idle - time.Second)
				_, _ = io.WriteString(w, "x")
			}
		})
		begin := time.Now()
		err := fetch(t, d, job.Artifact{Source: "http://h/x"})
		wants(t, err, job.Retried, ReasonArtifactFetch)
		if !errors.Is(err, errIdle) {
			t.Errorf("%v", err)
		}
		if took, want := time.Since(begin), 6*defaultLimits.idle-5*time.Second; took != want {
			t.Errorf("ended after %v, want %v", took, want)
		}
	})
}

func TestNoAnswerEndsADownload(t *testing.T) {
	d := fetching(t)
	synctest.Test(t, func(t *testing.T) {
		pipeServer(t, d, func(io.Writer) {})
		begin := time.Now()
		wants(t, fetch(t, d, job.Artifact{Source: "http://h/x"}), job.Retried, ReasonArtifactFetch)
		if took := time.Since(begin); took != headerTimeout {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestAllOfItHasABound(t *testing.T) {
	d := fetching(t)
	synctest.Test(t, func(t *testing.T) {
		pipeServer(t, d, func(w io.Writer) {
			_, _ = io.WriteString(w, "HTTP/1.1 200 OK\r\n\r\n")
			for range 100 {
				if _, err := io.WriteString(w, "x"); err != nil {
					return
				}
				time.Sleep(time.Minute)
			}
		})
		begin := time.Now()
		err := fetch(t, d, job.Artifact{Source: "http://h/x"})
		wants(t, err, job.Retried, ReasonArtifactFetch)
		if took := time.Since(begin); took != defaultLimits.total || !errors.Is(err, errTotal) {
			t.Errorf("ended after %v: %v", took, err)
		}
	})
}

func TestDownloadIsBounded(t *testing.T) {
	for name, length := range map[string]bool{"announced": true, "not announced": false} {
		t.Run(name, func(t *testing.T) {
			base := handled(t, func(w http.ResponseWriter, _ *http.Request) {
				if length {
					w.Header().Set("Content-Length", "2000")
				}
				for range 20 {
					_, _ = w.Write(make([]byte, 100))
					_ = http.NewResponseController(w).Flush()
				}
			})
			d := fetching(t)
			d.fetcher.limits.bytes = 1000
			wants(t, fetch(t, d, job.Artifact{Source: base + "/x"}), job.WaitsForUser, ReasonArtifactTooLarge)
			d.fetcher.limits.bytes = 2000
			mustFetch(t, d, job.Artifact{Source: base + "/x"})
		})
	}
}

func TestCancelEndsADownload(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	base := handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done() // the client is gone
	})
	d := fetching(t)
	err := d.Fetch(ctx, allocID, "web", []job.Artifact{{Source: base + "/x"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if kind, _ := job.KindOf(err); kind != job.Retried {
		t.Errorf("%s", kind)
	}
	noStages(t, d)
	same(t, map[string]string{}, local(t, d))
}

func TestRedirects(t *testing.T) {
	var base string
	base = handled(t, func(w http.ResponseWriter, r *http.Request) {
		switch to, _ := strings.CutPrefix(r.URL.Path, "/to/"); to {
		case "file":
			w.Header().Set("Location", "file:///etc/passwd")
		case "ftp":
			w.Header().Set("Location", "ftp://h/x")
		case "loop":
			w.Header().Set("Location", "/to/loop")
		case "nothing":
			w.Header().Set("Location", "http://u:S3CRET@h:x/?S3CRET")
		case "good":
			w.Header().Set("Location", base+"/end?token=S3CRET")
		default:
			if r.Referer() != "" {
				t.Errorf("the next server is told %s", r.Referer())
			}
			_, _ = io.WriteString(w, "end")
			return
		}
		w.WriteHeader(http.StatusFound)
	})
	d := fetching(t)
	for _, to := range []string{"file", "ftp", "loop", "nothing"} {
		err := fetch(t, d, job.Artifact{Source: base + "/to/" + to + "?token=S3CRET"})
		wants(t, err, job.WaitsForUser, ReasonArtifactRefused)
		if strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("a secret is told: %v", err)
		}
	}
	mustFetch(t, d, job.Artifact{Source: base + "/to/good?token=S3CRET"})
	same(t, map[string]string{"good": "end"}, local(t, d))
}

// A server may not send the agent to another getter.
func TestTerraformHeaderIsNotFollowed(t *testing.T) {
	base := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Terraform-Get", "/etc")
		_, _ = io.WriteString(w, `<html><head><meta name="terraform-get" content="/etc"></head></html>`)
	})
	d := fetching(t)
	wants(t, fetch(t, d, job.Artifact{Source: base + "/x/"}), job.WaitsForUser, ReasonArtifactInvalid)
	wants(t, fetch(t, d, job.Artifact{Source: base + "/x", Mode: job.ArtifactDir}), job.WaitsForUser, ReasonArtifactInvalid)
	mustFetch(t, d, job.Artifact{Source: base + "/x"})
	if got := local(t, d); len(got) != 1 || !strings.Contains(got["x"], "<meta") {
		t.Errorf("%v", got)
	}
}

// An archive is checked and kept as it was packed, whatever the server says
// about its encoding.
func TestContentEncodingIsLeftAlone(t *testing.T) {
	gz := packed(t, "gzip", []byte("plain"))
	base := handled(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("asks for %s", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(gz)
	})
	d := fetching(t)
	mustFetch(t, d, job.Artifact{Source: base + "/f.gz", Options: map[string]string{
		"archive": "false", "checksum": fmt.Sprintf("sha256:%x", sha256.Sum256(gz)),
	}})
	same(t, map[string]string{"f.gz": string(gz)}, local(t, d))
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = fmt.Fprint(w, user, " ", password, " ", r.URL.RawQuery)
	}))
	defer s.Close()
	d := fetching(t)
	source := strings.Replace(s.URL, "https://", "https://user:S3CRET@", 1) + "/x?token=S3CRET"
	err := fetch(t, d, job.Artifact{Source: source})
	wants(t, err, job.Retried, ReasonArtifactFetch)
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok || strings.Contains(err.Error(), "S3CRET") {
		t.Errorf("%v", err)
	}
	trusting := newTransport()
	trusting.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	d.fetcher.transport = trusting
	mustFetch(t, d, job.Artifact{Source: source})
	same(t, map[string]string{"x": "user S3CRET token=S3CRET"}, local(t, d))
}

func TestProxyOfTheEnvironment(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := proxy(req); err != nil || u != nil {
		t.Errorf("this host goes through no proxy: %v, %v", u, err)
	}
}

// No error tells what a source holds of passwords and tokens.
func TestErrorsHaveNoSecrets(t *testing.T) {
	base := handled(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/cut":
			w.Header().Set("Content-Length", "10")
			return
		case "/text.zip":
			_, _ = io.WriteString(w, "no zip")
			return
		}
		w.WriteHeader(http.StatusTeapot)
	})
	host := strings.TrimPrefix(base, "http://")
	for _, source := range []string{
		"http://S3CRET:S3CRET@" + host + "/none?S3CRET=1&t=S3CRET", "http://S3CRET:S3CRET@" + host + "/cut?t=S3CRET",
		"http://u:S3CRET@" + host + "/text.zip?t=S3CRET", "http://u:S3CRET@127.0.0.1:1/?t=S3CRET", "http://u:S3CRET@127.0.0.1:1/x?t=S3CRET",
		"http://u:S3CRET@h:port/", "git::https://u:S3CRET@h/x", "https://u:S3CRET@h/x?%zzS3CRET",
		"http://" + host + "/cut?checksum=file:http://u:S3CRET@" + host + "/none%3Ft=S3CRET",
		"http://" + host + "/cut?checksum=file:http://u:S3CRET@127.0.0.1:1/x",
		"http://" + host + "/cut?checksum=S3CRET",
	} {
		err := fetch(t, fetching(t), job.Artifact{Source: source})
		if err == nil || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestChecksums(t *testing.T) {
	data := []byte("data")
	sums := map[string]string{
		"md5": fmt.Sprintf("%x", md5.Sum(data)), "sha1": fmt.Sprintf("%x", sha1.Sum(data)),
		"sha256": fmt.Sprintf("%x", sha256.Sum256(data)), "sha512": fmt.Sprintf("%x", sha512.Sum512(data)),
	}
	list := "# a list\n" + sums["md5"] + "  other\n" + sums["sha256"] + " *f.bin\n"
	pages := map[string][]byte{
		"/f.bin": data, "/SUMS": []byte(list), "/BSD": []byte("SHA512 (f.bin) = " + sums["sha512"] + "\n"),
		"/OTHER": []byte(sums["md5"] + "  other\n"), "/WRONG": []byte(strings.Repeat("0", 64) + "  f.bin\n"),
	}
	base, _ := site(t, pages)
	sumsFile := filepath.Join(t.TempDir(), "sums")
	if err := os.WriteFile(sumsFile, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(sum string) job.Artifact {
		return job.Artifact{Source: base + "/f.bin", Options: map[string]string{"checksum": sum}}
	}
	good := []string{"file:" + base + "/SUMS", "file:" + base + "/BSD", "file:" + sumsFile, "file:file://" + sumsFile}
	for kind, sum := range sums {
		good = append(good, sum, kind+":"+sum, kind+":"+strings.ToUpper(sum))
		d := fetching(t)
		err := fetch(t, d, with(kind+":"+strings.Repeat("0", len(sum))))
		wants(t, err, job.WaitsForUser, ReasonArtifactChecksum)
		if !strings.Contains(err.Error(), sum) {
			t.Errorf("the error does not tell what it is: %v", err)
		}
		same(t, map[string]string{}, local(t, d))
	}
	for _, sum := range good {
		d := fetching(t)
		if err := fetch(t, d, with(sum)); err != nil {
			t.Errorf("%s: %v", sum, err)
			continue
		}
		same(t, map[string]string{"f.bin": "data"}, local(t, d))
	}
	for _, sum := range []string{
		"sha3:00", "md5:xyz", "md5", "x", "md5:00", "file:" + base + "/OTHER", "file:" + base + "/WRONG",
	} {
		wants(t, fetch(t, fetching(t), with(sum)), job.WaitsForUser, ReasonArtifactChecksum)
	}
	wants(t, fetch(t, fetching(t), with("file:"+base+"/NONE")), job.WaitsForUser, ReasonArtifactNotFound)
	wants(t, fetch(t, fetching(t), with("file:"+sumsFile+"none")), job.WaitsForUser, ReasonArtifactNotFound)
	wants(t, fetch(t, fetching(t), with("file:"+filepath.Dir(sumsFile))), job.WaitsForUser, ReasonArtifactInvalid)
	wants(t, fetch(t, fetching(t), with("file:relative")), job.WaitsForUser, ReasonArtifactRefused)
	wants(t, fetch(t, fetching(t), with("file:git::https://h/x")), job.WaitsForUser, ReasonArtifactRefused)
}

// The checksum is of what was downloaded, not of what is in it.
func TestChecksumOfAnArchive(t *testing.T) {
	archive := tarOf(t, file("a", "a", 0o644))
	base, _ := site(t, map[string][]byte{"/a.tar": archive})
	d := fetching(t)
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256(archive))
	mustFetch(t, d, job.Artifact{Source: base + "/a.tar", Options: map[string]string{"checksum": sum}})
	same(t, map[string]string{"a": "a"}, local(t, d))
	wants(t, fetch(t, d, job.Artifact{Source: base + "/a.tar", Options: map[string]string{"checksum": "md5:" + strings.Repeat("0", 32)}}),
		job.WaitsForUser, ReasonArtifactChecksum)
}
