package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func check(b []byte) error { return checkStructure(bytes.NewReader(b), int64(len(b))) }

// sample is a file with branch pages, long values, inline and nested buckets
// and free pages.
func sample(t testing.TB, rows int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		err = db.Update(func(tx *bolt.Tx) error {
			small, _ := tx.CreateBucketIfNotExists([]byte("small"))
			big, _ := tx.CreateBucketIfNotExists([]byte("big"))
			nested, _ := big.CreateBucketIfNotExists([]byte("zz"))
			err := errors.Join(small.Put([]byte("k"), []byte("v")), nested.Put([]byte("k"), nil))
			for i := range rows {
				err = errors.Join(err, big.Put(fmt.Appendf(nil, "key%06d", i*7919%rows), make([]byte, 50+i%3*round)))
			}
			return errors.Join(err, big.Put([]byte("long"), make([]byte, 20000)))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStructureOfGoodFiles(t *testing.T) {
	for _, rows := range []int{0, 1, 10, 100, 5000} {
		if err := check(sample(t, rows)); err != nil {
			t.Errorf("%d rows: %v", rows, err)
		}
	}
}

// TestStructureOfCutFiles: a file that lacks any of its pages is corrupt.
func TestStructureOfCutFiles(t *testing.T) {
	b := sample(t, 100)
	m, err := (&checker{r: bytes.NewReader(b), size: int64(len(b))}).meta()
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < int(m.pages*m.pageSize); n += 511 {
		if err := check(b[:n]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// TestPageThatNamesItself would be walked for ever by bbolt.
func TestPageThatNamesItself(t *testing.T) {
	b := sample(t, 5000)
	found := 0
	for at := 2 * 4096; at < len(b); at += 4096 {
		page := b[at:]
		if u16(page[8:]) == branchPage && u64(page) == uint64(at/4096) {
			found++
			binary.NativeEndian.PutUint64(page[pageHeaderSize+8:], u64(page))
		}
	}
	if err := check(b); found == 0 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("%d branches: %v", found, err)
	}
}

// TestOneMetaPageIsEnough: bbolt falls back to the other one.
func TestOneMetaPageIsEnough(t *testing.T) {
	good := sample(t, 100)
	for _, at := range []int{0, 4096} {
		b := bytes.Clone(good)
		copy(b[at+pageHeaderSize:], make([]byte, metaSize))
		ours := check(b) == nil
		if theirs := boltAccepts(t, b); ours && !theirs {
			t.Errorf("meta at %d: ours %v, bbolt's %v", at, ours, theirs)
		}
	}
}

// boltAccepts opens b with bbolt and lets it check. Call it only for what the
// check let pass: bbolt may not come back from the rest.
func boltAccepts(t testing.TB, b []byte) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		return false
	}
	defer db.Close()
	ok := true
	_ = db.View(func(tx *bolt.Tx) error {
		for range tx.Check() {
			ok = false
		}
		return nil
	})
	return ok
}

// TestStructureIsAsStrictAsBolt: what passes here, bbolt finds in order too.
func TestStructureIsAsStrictAsBolt(t *testing.T) {
	good := sample(t, 300)
	passed := 0
	rapid.Check(t, func(rt *rapid.T) {
		b := bytes.Clone(good)
		for range rapid.IntRange(1, 4).Draw(rt, "edits") {
			// Headers and elements lie at the beginning of a page.
			page := rapid.IntRange(0, len(b)/4096-1).Draw(rt, "page")
			at := page*4096 + rapid.IntRange(0, 200).Draw(rt, "offset")
			b[at] = rapid.Byte().Draw(rt, "byte")
		}
		repairMeta(b)
		if check(b) == nil {
			passed++
			if !boltAccepts(t, b) {
				rt.Fatal("bbolt finds fault with it")
			}
		}
	})
	t.Logf("%d passed", passed)
}

// repairMeta makes the checksums right, so that edits of a meta page count.
func repairMeta(b []byte) {
	for _, at := range []int{0, 4096} {
		if len(b) < at+pageHeaderSize+metaSize {
			return
		}
		m := b[at+pageHeaderSize:]
		sum := fnv.New64a()
		_, _ = sum.Write(m[:56])
		binary.NativeEndian.PutUint64(m[56:], sum.Sum64())
	}
}

// FuzzStructure: no bytes make the check panic, hang or eat memory.
func FuzzStructure(f *testing.F) {
	b := sample(f, 100)
	f.Add(b)
	f.Add(b[:5000])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		repairMeta(b)
		if err := check(b); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
}
