package laws

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// checks is how many random stories a test makes that is not told otherwise by
// -rapid.checks: a story is hours of an agent's life, and takes a second or
// two of ours.
const checks = "4"

func TestMain(m *testing.M) {
	told := false
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { told = told || f.Name == "rapid.checks" })
	if !told {
		if err := flag.Set("rapid.checks", checks); err != nil {
			panic(err) // rapid has another name for it
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(os.Exit))
}
