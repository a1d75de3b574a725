package hclx

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Suggest returns the name of known that was probably meant by given, or "".
// A difference in case alone always matches; otherwise the edit distance must
// be at most a third of the length (but at least one edit), so that nonsense
// gets no advice; swapped letters count as one edit. Of two equally near names
// the first of known wins.
func Suggest(given string, known []string) string {
	best, bestDistance := "", max(2, len(given)/3+1)
	for _, name := range known {
		if strings.EqualFold(given, name) {
			return name
		}
		d := levenshtein.Distance(given, name, nil)
		if letters(given) == letters(name) {
			d = 1
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// letters is the letters of a word in alphabetical order.
func letters(word string) string {
	b := []byte(word)
	slices.Sort(b)
	return string(b)
}
