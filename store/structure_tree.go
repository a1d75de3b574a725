package store

import (
	"bytes"
	"errors"
	"fmt"
)

// tree walks the pages of one bucket from page id down. Keys are at least min
// and below max, where these are not nil. In the root bucket everything is a
// bucket.
func (c *checker) tree(id uint64, isRoot bool, min, max []byte) error {
	p, err := c.page(id)
	if err != nil {
		return err
	}
	switch p.flags {
	case branchPage:
		err = c.branch(p, isRoot, min, max)
	case leafPage:
		err = c.leaf(p, isRoot, min, max)
	default:
		err = fmt.Errorf("flags %#x", p.flags)
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

func (c *checker) branch(p boltPage, isRoot bool, min, max []byte) error {
	if p.count == 0 {
		return errors.New("branch without children")
	}
	keys := make([][]byte, p.count)
	children := make([]uint64, p.count)
	for i := range p.count { // pos u32, key size u32, page u64
		e, at, err := p.element(i)
		if err != nil {
			return err
		}
		if keys[i], err = p.slice(at, u32(e), u32(e[4:])); err != nil {
			return err
		}
		children[i] = u64(e[8:])
	}
	if err := checkKeys(keys, min, max); err != nil {
		return err
	}
	for i, child := range children {
		upper := max
		if i+1 < len(keys) {
			upper = keys[i+1]
		}
		if err := c.tree(child, isRoot, keys[i], upper); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) leaf(p boltPage, isRoot bool, min, max []byte) error {
	keys := make([][]byte, p.count)
	for i := range p.count { // flags u32, pos u32, key size u32, value size u32
		e, at, err := p.element(i)
		if err != nil {
			return err
		}
		both, err := p.slice(at, u32(e[4:]), u32(e[8:]), u32(e[12:]))
		if err != nil {
			return err
		}
		var value []byte
		keys[i], value = both[:u32(e[8:])], both[u32(e[8:]):]
		if err := c.value(u32(e), isRoot, value); err != nil {
			return fmt.Errorf("%q: %w", keys[i], err)
		}
	}
	return checkKeys(keys, min, max)
}

// value checks a leaf element's value, which may be a bucket: the page of its
// root and a sequence, and for a small one (root 0) its only page inline.
func (c *checker) value(flags uint32, isRoot bool, value []byte) error {
	if flags&bucketElement == 0 {
		if isRoot {
			return errors.New("not a bucket")
		}
		return nil
	}
	if len(value) < 16 {
		return errors.New("bucket is cut off")
	}
	if root := u64(value); root != 0 {
		return c.tree(root, false, nil, nil)
	}
	inline := value[16:]
	if len(inline) < pageHeaderSize {
		return errors.New("inline bucket is cut off")
	}
	p := boltPage{flags: u16(inline[8:]), count: int(u16(inline[10:])), data: inline}
	if p.flags != leafPage {
		return fmt.Errorf("inline bucket has flags %#x", p.flags)
	}
	return (&checker{}).leaf(p, false, nil, nil) // no pages: it holds no buckets
}

// element returns element i of a branch or leaf page and its offset, to which
// the positions in it are relative.
func (p boltPage) element(i int) (e []byte, at int, err error) {
	at = pageHeaderSize + i*elementSize
	if at+elementSize > len(p.data) {
		return nil, 0, fmt.Errorf("element %d lies outside", i)
	}
	return p.data[at : at+elementSize], at, nil
}

// slice returns the bytes at pos after at, as long as the sum of sizes.
func (p boltPage) slice(at int, pos uint32, sizes ...uint32) ([]byte, error) {
	from := uint64(at) + uint64(pos)
	to := from
	for _, n := range sizes {
		to += uint64(n)
	}
	if to > uint64(len(p.data)) {
		return nil, fmt.Errorf("data at %d to %d lies outside", from, to)
	}
	return p.data[from:to], nil
}

func checkKeys(keys [][]byte, min, max []byte) error {
	for i, k := range keys {
		switch {
		case i > 0 && !inOrder(keys[i-1], k):
			return fmt.Errorf("key %q after %q", k, keys[i-1])
		case min != nil && bytes.Compare(k, min) < 0:
			return fmt.Errorf("key %q below %q", k, min)
		case max != nil && !inOrder(k, max):
			return fmt.Errorf("key %q not below %q", k, max)
		}
	}
	return nil
}
