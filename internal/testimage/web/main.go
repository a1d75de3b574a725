// Command web is the program of the test images: a small web server that can
// also die, hang, ignore signals, eat memory, write files and talk. Every flag
// can be given by the environment as well: -exit as WEB_EXIT, -ignore-term as
// WEB_IGNORE_TERM.
//
// Over HTTP it answers
//
//	/            a JSON object: hostname, text, args, env, uid, gid, cwd, pid
//	/text        the -text alone
//	/env?key=K   the value of one variable
//	/file?path=P the content of a file in the container
//	/exit?code=N ends the program with that code
//	/health      200, or 503 after /health?set=bad (200 again after set=ok)
//	/look?url=U  what U answers to the program, from within its network
//
// and on the same port over UDP it sends every packet back.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

type options struct {
	port       string
	text       string
	look       string
	exit       int
	after      time.Duration
	ignoreTerm bool
	allocMB    int
	write      string
	need       string
	sleep      time.Duration
	print      string
	printErr   string
	spamKB     int
}

func main() {
	o, err := parse(os.Args[1:], os.Getenv)
	if err != nil {
		os.Exit(2)
	}
	os.Exit(run(o))
}

func parse(args []string, getenv func(string) string) (options, error) {
	var o options
	fs := flag.NewFlagSet("web", flag.ContinueOnError)
	fs.StringVar(&o.port, "port", cmp.Or(getenv("NOMAD_PORT_http"), "8080"), "port to serve HTTP and the UDP echo on; none serves nothing")
	fs.StringVar(&o.text, "text", "", "text to answer with")
	fs.StringVar(&o.look, "look", "", "serve nothing, print what this URL answers and exit with 0, or with code 5 if it is not 2xx")
	fs.IntVar(&o.exit, "exit", -1, "code to exit with, -after a time; -1 never exits")
	fs.DurationVar(&o.after, "after", 0, "time until -exit")
	fs.BoolVar(&o.ignoreTerm, "ignore-term", false, "ignore SIGTERM, SIGINT and SIGHUP")
	fs.IntVar(&o.allocMB, "alloc-mb", 0, "megabytes to allocate and touch")
	fs.StringVar(&o.write, "write", "", "PATH=TEXT: write a file")
	fs.StringVar(&o.need, "need", "", "exit with code 3 unless this file exists")
	fs.DurationVar(&o.sleep, "sleep", 0, "serve nothing, sleep so long and exit with -exit or 0")
	fs.StringVar(&o.print, "print", "", "line to print to stdout")
	fs.StringVar(&o.printErr, "print-err", "", "line to print to stderr")
	fs.IntVar(&o.spamKB, "spam-kb", 0, "kilobytes of x to print to stdout")
	var envErr error
	fs.VisitAll(func(f *flag.Flag) {
		key := "WEB_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v := getenv(key); v != "" && envErr == nil {
			envErr = fs.Set(f.Name, v)
		}
	})
	if envErr != nil {
		return o, envErr
	}
	return o, fs.Parse(args)
}

func run(o options) int {
	if o.print != "" {
		fmt.Println(o.print)
	}
	if o.printErr != "" {
		fmt.Fprintln(os.Stderr, o.printErr)
	}
	for range o.spamKB {
		fmt.Print(strings.Repeat("x", 1<<10))
	}
	if path, text, ok := strings.Cut(o.write, "="); ok {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 4
		}
	}
	if o.need != "" {
		if _, err := os.Stat(o.need); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
	}
	if o.look != "" {
		text, err := look(o.look)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 5
		}
		fmt.Print(text)
		return 0
	}
	hog := allocate(o.allocMB)
	code := wait(o)
	_ = len(hog) // kept until the end
	return code
}

// wait serves or sleeps until it is time to end, and returns the exit code.
func wait(o options) int {
	ends := make(chan int, 4)
	sig := make(chan os.Signal, 4)
	signal.Notify(sig, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if o.sleep > 0 {
		time.AfterFunc(o.sleep, func() { ends <- max(o.exit, 0) })
	} else if o.port != "none" {
		go func() {
			if err := serve(o, ends); err != nil {
				fmt.Fprintln(os.Stderr, err)
				ends <- 1
			}
		}()
	}
	if o.exit >= 0 && o.sleep == 0 {
		time.AfterFunc(o.after, func() { ends <- o.exit })
	}
	for {
		select {
		case code := <-ends:
			return code
		case s := <-sig:
			fmt.Println("signal:", s)
			if !o.ignoreTerm {
				return 0
			}
		}
	}
}

func serve(o options, ends chan<- int) error {
	addr := net.JoinHostPort("", o.port)
	ctx := context.Background() // until the process ends
	var lc net.ListenConfig
	if pc, err := lc.ListenPacket(ctx, "udp", addr); err == nil {
		go echo(pc)
	}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(l, handler(o, ends))
}

func echo(pc net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = pc.WriteTo(b[:n], from)
	}
}

func handler(o options, ends chan<- int) http.Handler {
	var sick atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(about(o))
	})
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, o.text) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, os.Getenv(r.FormValue("key")))
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = w.Write(b)
	})
	mux.HandleFunc("/look", func(w http.ResponseWriter, r *http.Request) {
		text, err := look(r.FormValue("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, text)
	})
	mux.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		ends <- code
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {
		if set := r.FormValue("set"); set != "" {
			sick.Store(set == "bad")
			return
		}
		if sick.Load() {
			http.Error(w, "sick", http.StatusServiceUnavailable)
		}
	})
	return mux
}

// look asks another web server.
func look(url string) (string, error) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

// about is what / answers. Its fields are the contract with the tests.
func about(o options) map[string]any {
	host, _ := os.Hostname()
	cwd, _ := os.Getwd()
	env := map[string]string{}
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	return map[string]any{
		"hostname": host, "text": o.text, "args": os.Args, "env": env,
		"uid": os.Getuid(), "gid": os.Getgid(), "cwd": cwd, "pid": os.Getpid(),
	}
}

// allocate touches mb megabytes, so that they count as used.
func allocate(mb int) [][]byte {
	var out [][]byte
	for range mb {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		out = append(out, b)
	}
	return out
}
