package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// errNoRecord says that a value is JSON, but nothing that a table could hold.
var errNoRecord = errors.New("not a record")

// encode returns v as one line of JSON in which every rune is printable. The
// bbolt CLI prints a value as text only if unicode.IsPrint holds for all of it
// (isPrintable in its utils.go), else as hex; JSON itself lets DEL, no-break
// and zero-width spaces and the like pass. <, > and & are left as they are:
// shell commands are full of them, and no browser reads this.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return escapeUnprintable(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// escapeUnprintable writes the runes of JSON text that are not printable as
// \u escapes. Such runes are found inside of strings only.
func escapeUnprintable(text []byte) []byte {
	if isPrintable(text) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for _, r := range string(text) {
		switch {
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func isPrintable(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// decode reads a record. Only a JSON object is one: "null" and numbers would
// decode into a zero record without an error.
func decode[T any](raw []byte) (T, error) {
	var v T
	if !isObject(raw) {
		return v, errNoRecord
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, err
	}
	// What was read must be writable: the next Put of it would panic.
	if _, err := encode(v); err != nil {
		return v, err
	}
	return v, nil
}

func isObject(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{"))
}

// half is one field of a record that two writers share.
type half struct {
	name string
	raw  []byte // nil if there is none
}

// joinHalves returns the value of a shared record, or nil if all halves are
// missing. The bytes of a half are taken as they are, so that an unchanged
// half stays equal byte by byte.
func joinHalves(halves []half) []byte {
	var out []byte
	for _, h := range halves {
		if h.raw == nil {
			continue
		}
		if out == nil {
			out = append(out, '{')
		} else {
			out = append(out, ',')
		}
		out = strconv.AppendQuote(out, h.name)
		out = append(out, ':')
		out = append(out, h.raw...)
	}
	if out == nil {
		return nil
	}
	return append(out, '}')
}

// splitHalves is the reverse of joinHalves. Halves that are missing or null
// are not in the result; neither are fields that have no name here.
func splitHalves(raw []byte) (map[string][]byte, error) {
	if !isObject(raw) {
		return nil, errNoRecord
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(fields))
	for name, value := range fields {
		if string(value) != "null" {
			out[name] = value
		}
	}
	return out, nil
}

// encodeKey makes a key printable, and leaves it as it is if it already is.
// Manifest names come from a file system, where every byte is allowed.
func encodeKey(key string) string {
	if isPrintable([]byte(key)) && !bytes.ContainsRune([]byte(key), '\\') {
		return key
	}
	out := make([]byte, 0, len(key)+16)
	for i := 0; i < len(key); {
		r, size := utf8.DecodeRuneInString(key[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, key[i])
		case r == '\\':
			out = append(out, `\\`...)
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			out = fmt.Appendf(out, `\U%08x`, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	return string(out)
}

// decodeKey is the reverse of encodeKey. Only what encodeKey can have written
// is accepted: otherwise two keys of the file could be one key in memory.
func decodeKey(raw []byte) (string, error) {
	var out []byte
	for rest := string(raw); rest != ""; {
		r, multibyte, tail, err := strconv.UnquoteChar(rest, 0)
		if err != nil {
			return "", fmt.Errorf("key %q: %w", raw, err)
		}
		if r < utf8.RuneSelf || !multibyte {
			out = append(out, byte(r))
		} else {
			out = utf8.AppendRune(out, r)
		}
		rest = tail
	}
	if key := string(out); key != "" && encodeKey(key) == string(raw) {
		return key, nil
	}
	return "", fmt.Errorf("key %q: %w", raw, errNoRecord)
}
