package hclx_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"reconciler/internal/hclx"
)

// fatalRows are texts that kill hcl 2.25, or cost it hundreds of megabytes,
// when they reach its parser or whoever walks its tree (measured).
func fatalRows() map[string]string {
	const kib = 1 << 10
	return map[string]string{
		"brackets":          "a = " + strings.Repeat("[", 64*kib),
		"closed brackets":   "a = " + strings.Repeat("[", 64*kib) + strings.Repeat("]", 64*kib),
		"parentheses":       "a = " + strings.Repeat("(", 64*kib),
		"objects":           "a = " + strings.Repeat("{a=", 64*kib),
		"minus":             "a = " + strings.Repeat("-", 255*kib) + "1",
		"not":               "a = " + strings.Repeat("!", 255*kib) + "a",
		"templates":         "a = " + strings.Repeat(`"${`, 64*kib),
		"directives":        `a = "` + strings.Repeat(`%{if true}`, 20*kib) + `"`,
		"nested blocks":     strings.Repeat("b {\n", 50*kib),
		"plus":              "a = 1" + strings.Repeat("+1", 120*kib),
		"plus, 1 MiB":       "a = 1" + strings.Repeat("+1", 512*kib),
		"splats":            "a = x" + strings.Repeat("[*]", 80*kib),
		"splats, 1 MiB":     "a = x" + strings.Repeat("[*]", 340*kib),
		"indexes":           "a = x" + strings.Repeat("[0]", 80*kib),
		"dots":              "a = x" + strings.Repeat(".*", 120*kib),
		"and":               "a = a" + strings.Repeat(" && a", 50*kib),
		"conditionals":      "a = " + strings.Repeat("a ? b : ", 30*kib) + "c",
		"flat blocks":       strings.Repeat("b {}\n", 200_000),
		"flat blocks, 256K": strings.Repeat("b {}\n", 50*kib),
		"calls":             "a = " + strings.Repeat("f(", 64*kib),
		"mixed mismatch":    "a = " + strings.Repeat("[}({)", 50*kib),
		"unclosed in calls": "a = " + strings.Repeat("(-!-!", 50*kib),
		"heredocs":          strings.Repeat("a = <<A\n${", 20*kib),
		"large number":      "a = 1e600000000",
		"long number":       "a = " + strings.Repeat("9", 200*kib),
		"for":               "a = " + strings.Repeat("[for x in ", 20*kib),
		"namespaces":        "a = a" + strings.Repeat("::a", 80*kib) + "()",
	}
}

// threadTime is how long this thread has had a processor: other programs use
// the machine too.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

func TestFatalRowsAreRefusedFast(t *testing.T) {
	for name, src := range fatalRows() {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := threadTime(t)
			file, diags := hclx.Parse([]byte(src), "a.hcl")
			took := threadTime(t) - start
			runtime.ReadMemStats(&after)
			if file != nil || !diags.HasErrors() {
				t.Fatal("the file was accepted")
			}
			for range 2 { // the best of three: caches are shared
				start := threadTime(t)
				_, _ = hclx.Parse([]byte(src), "a.hcl")
				took = min(took, threadTime(t)-start)
			}
			if limit := slowdown * 100 * time.Millisecond; took > limit {
				t.Errorf("took %v, limit %v", took, limit)
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 150 {
				t.Errorf("allocated %d MB in all", mb)
			}
		})
	}
}

func TestGuardLimitsAreExact(t *testing.T) {
	nest := func(open, shut string, n int) string {
		return "a = " + strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) + "\n"
	}
	for _, tc := range []struct {
		name, good, bad, want string
	}{
		{"levels", nest("[", "]", 64), nest("[", "]", 65), "64 levels"},
		{"parens", nest("(", ")", 64), nest("(", ")", 65), "64 levels"},
		{"interpolations", nest(`"${`, `}"`, 64), nest(`"${`, `}"`, 65), "64 levels"},
		{"mixed", nest(`["${(`, `)}"]`, 21), nest(`["${(`, `)}"]`, 22), "64 levels"},
		{"operators", "a = 1" + strings.Repeat("+1", 256), "a = 1" + strings.Repeat("+1", 257), "256 operators"},
		{"nested operators", "a = 1" + strings.Repeat("+(1", 64) + strings.Repeat(")", 64), "a = 1" + strings.Repeat("+(1+1+1+1", 63) + strings.Repeat(")", 63) + strings.Repeat("+1", 5), "256 operators"},
		{"blocks", strings.Repeat("b {\n", 64) + strings.Repeat("}\n", 64), strings.Repeat("b {\n", 65) + strings.Repeat("}\n", 65), "64 levels"},
		{"size", "# " + strings.Repeat("x", hclx.MaxBytes-3) + "\n", "# " + strings.Repeat("x", hclx.MaxBytes) + "\n", "262144"},
		{"tokens", strings.Repeat("b {}\n", 32<<10/4-1), strings.Repeat("b {}\n", 32<<10/4), "tokens"},
		{"exponent", "a = 1e64", "a = 1e65", "64 digits"},
	} {
		if _, diags := hclx.Parse([]byte(tc.good), "a.hcl"); diags.HasErrors() {
			t.Errorf("%s: at the limit: %v", tc.name, diags)
		}
		_, diags := hclx.Parse([]byte(tc.bad), "a.hcl")
		if !diags.HasErrors() || !strings.Contains(diags.Error(), tc.want) {
			t.Errorf("%s: beyond the limit: %v, want %q", tc.name, diags, tc.want)
		}
	}
}

func TestGuardCountsNothingThatIsText(t *testing.T) {
	brackets := strings.Repeat("[({", 200)
	list := "a = [\n"
	for i := range 1000 {
		list += fmt.Sprintf("  \"${var.x%d}-${1 + 1}\", 1 + 2,\n", i)
	}
	for name, src := range map[string]string{
		"comment":       "# " + brackets + "\na = 1 // " + brackets + "\n/* " + brackets + " */\n",
		"string":        `a = "` + brackets + `"` + "\n",
		"heredoc":       "a = <<EOT\n" + brackets + "\nEOT\n",
		"escaped":       `a = "` + strings.Repeat("$${", 200) + `"` + "\n",
		"long list":     list + "]\n",
		"many siblings": strings.Repeat("a {\n x = 1 + 2\n}\n", 1000),
		"long template": `a = "` + strings.Repeat("${a.b}", 1000) + `"` + "\n",
		"many ifs":      `a = "` + strings.Repeat("%{if true}x%{endif}", 500) + `"` + "\n",
		"objects":       "a = {\n" + strings.Repeat("  \"x\" = 1 + 2\n", 1000) + "}\n",
	} {
		if _, diags := hclx.Parse([]byte(src), "a.hcl"); diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestNotText(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"a = 1\nb = \"\xff\"\n", "a.hcl:2,6-7: Not a text file; this is not UTF-8 text"},
		{"\x7fELF\x02\x01\x01\x00\x00", "a.hcl:1,8-9: Not a text file; this is a binary file"},
		{"\xff\xfea\x00", "a.hcl:1,4-5: Not a text file; this is a binary file"},
		{"gr\xfc\xdfe = 1", "a.hcl:1,3-4: Not a text file"},
	} {
		file, diags := hclx.Parse([]byte(tc.src), "a.hcl")
		if file != nil || len(diags) != 1 {
			t.Fatalf("%q: %v", tc.src, diags)
		}
		if got := hclx.Format(diags[0], []byte(tc.src)); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%q:\n got %q\nwant %q", tc.src, got, tc.want)
		}
	}
}
