package desired

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/go-version"

	"reconciler/internal/job"
)

// checkOperand checks the form of what an operator compares with. It must hold
// no runtime name.
func checkOperand(operator, value string) error {
	switch operator {
	case job.OpRegexp:
		if _, err := regexp.Compile(value); err != nil {
			return fmt.Errorf("%w; the syntax is RE2", err)
		}
	case job.OpVersion:
		if _, err := version.NewConstraint(value); err != nil {
			return fmt.Errorf("version %q is no list of comparisons such as \">= 1.2, < 2\"", value)
		}
	case job.OpSemver:
		return checkSemver(value)
	}
	return nil
}

// checkSemver checks comparisons of whole semantic versions. There is no "~>"
// among them: which versions it means, Semantic Versioning does not say.
func checkSemver(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		bare := strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(part), "<>=!"))
		if _, err := version.NewConstraint(part); err != nil || !job.Semver.MatchString(bare) {
			return fmt.Errorf("semver %q is no list of comparisons such as \">= 1.2.0, < 2.0.0-beta\"", value)
		}
	}
	return nil
}

// nameRE finds what stands in ${...}, and $${...}, which is text.
var nameRE = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// namesIn lists the runtime names in a text as a job holds it.
func namesIn(text string) []string {
	var out []string
	for _, m := range nameRE.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(m[0], "$$") {
			out = append(out, m[1])
		}
	}
	return out
}

// nodeTwins are the names of the host for what some of an allocation's mean.
var nodeTwins = map[string]string{"NOMAD_DC": "node.datacenter", "NOMAD_REGION": "node.region"}

// whyNoNodeName says why a constraint cannot hold ${name}, and what to do.
func (l *loader) whyNoNodeName(name string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(name, `env["`), `"]`)
	if strings.HasPrefix(bare, "NOMAD_") {
		advice := "Use a name of the host, such as \"${node.unique.name}\"."
		if twin := nodeTwins[bare]; twin != "" {
			advice = fmt.Sprintf("Did you mean \"${%s}\"?", twin)
		}
		return fmt.Sprintf("\"${%s}\" belongs to an allocation, and a constraint decides before there is one. %s", name, advice)
	}
	advice := "A constraint can look at attr., meta., node. and driver. names of the host."
	if near := l.suggest(name, job.NodeNames); near != "" {
		advice = fmt.Sprintf("Did you mean \"${%s}\"?", near)
	}
	return fmt.Sprintf("nothing of the host is called \"${%s}\". %s", name, advice)
}
