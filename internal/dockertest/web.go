package dockertest

import (
	"flag"
	"io"
	"strings"
	"time"
)

// webFlags are the flags of the program of internal/testimage that matter
// here.
type webFlags struct {
	exit         int
	after, sleep time.Duration
	ignoreTerm   bool
	allocMB      int64
	print        string
	printErr     string
	spamKB       int
}

// badWebFlags is what the program exits with if it does not understand its
// flags.
const badWebFlags = 2

// readWebFlags reads them as the program does: the command line wins over the
// environment.
func readWebFlags(args, environ []string) (f webFlags, ok bool) {
	fs := flag.NewFlagSet("web", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&f.exit, "exit", -1, "")
	fs.DurationVar(&f.after, "after", 0, "")
	fs.BoolVar(&f.ignoreTerm, "ignore-term", false, "")
	fs.Int64Var(&f.allocMB, "alloc-mb", 0, "")
	fs.DurationVar(&f.sleep, "sleep", 0, "")
	fs.StringVar(&f.print, "print", "", "")
	fs.StringVar(&f.printErr, "print-err", "", "")
	fs.IntVar(&f.spamKB, "spam-kb", 0, "")
	for _, other := range []string{"port", "text", "write", "need"} {
		fs.String(other, "", "")
	}
	env := map[string]string{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	ok = true
	fs.VisitAll(func(f *flag.Flag) {
		key := "WEB_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		ok = ok && (env[key] == "" || fs.Set(f.Name, env[key]) == nil)
	})
	return f, ok && fs.Parse(args) == nil
}

// webEnds is long enough for a command that does not end by itself.
const webEnds = 1000 * time.Hour

// WebCommand is the program of internal/testimage, run in a container that has
// nothing else.
func WebCommand(c Command) Outcome {
	if c.Args[0] != "/web" {
		return Outcome{CannotStart: missing(c.Args[0])}
	}
	f, ok := readWebFlags(c.Args[1:], c.Env)
	if !ok {
		return Outcome{Code: badWebFlags}
	}
	var out Outcome
	if f.print != "" {
		out.Stdout = f.print + "\n"
	}
	if f.printErr != "" {
		out.Stderr = f.printErr + "\n"
	}
	out.Stdout += strings.Repeat("x", f.spamKB<<10)
	switch {
	case f.sleep > 0:
		out.After, out.Code = f.sleep, max(f.exit, 0)
	case f.exit >= 0:
		out.After, out.Code = f.after, f.exit
	default:
		out.After = webEnds
	}
	return out
}

// missing is the runtime's word for a program that is not there.
func missing(path string) string {
	if strings.Contains(path, "/") {
		return `exec: "` + path + `": stat ` + path + `: no such file or directory`
	}
	return `exec: "` + path + `": executable file not found in $PATH`
}
