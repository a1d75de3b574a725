package store

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"shell", `a && b > c < d`, `"a && b > c < d"`},
		{"newline", "a\nb\t", `"a\nb\t"`},
		{"no-break space", "a\u00a0b", `"a\u00a0b"`},
		{"separators", "\u2028\u2029", `"\u2028\u2029"`},
		{"delete and C1", "\x7f\u0085", `"\u007f\u0085"`},
		{"zero width and BOM", "\u200b\ufeff", `"\u200b\ufeff"`},
		{"beyond the BMP", "\U000e0001\U0001f600", `"\udb40\udc01` + "\U0001f600" + `"`},
		{"not UTF-8", "a\xffb", `"a\ufffdb"`},
		{"letters stay", "grün 日本", `"grün 日本"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := encode(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			diff(t, "encoded", tt.want, string(got))
		})
	}
}

func TestEncodeIsPrintableAndReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "in")
		raw, err := encode(in)
		if err != nil {
			t.Fatal(err)
		}
		if !isPrintable(raw) {
			t.Fatalf("not printable: %q", raw)
		}
		var plain, back map[string]string
		std, _ := json.Marshal(in)
		if json.Unmarshal(std, &plain) != nil || json.Unmarshal(raw, &back) != nil {
			t.Fatal("not JSON")
		}
		if again, _ := encode(back); string(again) != string(raw) || len(back) != len(plain) {
			t.Fatalf("read back as %q", again)
		}
	})
}

func TestKeysReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "key")
		raw := encodeKey(key)
		if !isPrintable([]byte(raw)) {
			t.Fatalf("%q is not printable", raw)
		}
		back, err := decodeKey([]byte(raw))
		if key == "" {
			if err == nil {
				t.Fatal("an empty key was accepted")
			}
			return
		}
		if err != nil || back != key {
			t.Fatalf("%q became %q, then %q, %v", key, raw, back, err)
		}
	})
}

func TestKeysOfPeopleStayAsTheyAre(t *testing.T) {
	for _, key := range []string{"web", "a b.hcl", "100%.hcl", `it's "x".hcl`, "grün.hcl", "sha256:ab", IntentKey("docker.io/library/redis:7")} {
		if got := encodeKey(key); got != key {
			t.Errorf("%q is written as %q", key, got)
		}
	}
}

func TestHalvesReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.Map(rapid.MapOf(rapid.String(), rapid.Int()), func(m map[string]int) []byte {
			raw, _ := encode(m)
			return raw
		})
		optional := rapid.OneOf(rapid.Just([]byte(nil)), object)
		spec, status := optional.Draw(t, "spec"), optional.Draw(t, "status")
		joined := joinHalves([]half{{"spec", spec}, {"status", status}})
		if spec == nil && status == nil {
			if joined != nil {
				t.Fatalf("nothing became %q", joined)
			}
			return
		}
		got, err := splitHalves(joined)
		if err != nil || string(got["spec"]) != string(spec) || string(got["status"]) != string(status) {
			t.Fatalf("%q split into %q, %v", joined, got, err)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for _, raw := range []string{"", "null", "1", `"x"`, "[]", "{", `{"generation":"x"}`, `{"generation":1} x`, strings.Repeat(`{"a":`, 20000)} {
		if v, err := decode[JobRecord]([]byte(raw)); err == nil {
			t.Errorf("%.40q was read as %+v", raw, v)
		}
	}
}

// FuzzDecode: whatever lies in the file, loading it never panics, and what was
// loaded can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "null", "{}", `{"spec":{}}`, `{"spec":null,"status":{"tasks":{"a":{"phase":"x"}}}}`, `{"clock":{"delete_at":"2026-01-02T15:04:05+23:59"}}`,
		`{"generation":18446744073709551615,"spec":{"name":"web"}}`, `{"spec":{"ended_at":"9999-12-31T23:59:59-01:00"}}`, "\xff\xfe", `{"a":"\ud800"}`,
		"{\"\":{\"\xef\":\"\"}}",
	} {
		f.Add("web", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, rawKey string, raw []byte) {
		s := newStore(t.TempDir(), Options{}, &dbFile{})
		for _, bucket := range allBuckets() {
			s.loadValue(bucket, []byte(rawKey), raw)
		}
		again := newStore(t.TempDir(), Options{}, &dbFile{})
		for bucket, rows := range s.collect(true).values {
			for key, value := range rows {
				if value == nil {
					continue
				}
				if bucket == bucketQuarantine && !isPrintable(value) {
					t.Fatalf("%s: %q is not printable", bucket, value)
				}
				again.loadValue(bucket, []byte(key), value)
			}
		}
		if again.all {
			t.Fatal("what was loaded could not be read again")
		}
		for key, spec := range s.AllocSpecs.All() {
			s.AllocSpecs.Put(key, spec) // a record that cannot be encoded panics here
		}
	})
}
