package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// The numbers of bbolt's file format, from go.etcd.io/bbolt/internal/common.
// They have not changed since bolt 1.0.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderSize = 16 // id u64, flags u16, count u16, overflow u32
	elementSize    = 16 // of branch and leaf pages alike
	metaSize       = 64 // magic u32 … checksum u64

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketElement = 0x01 // flag of a leaf element whose value is a bucket

	minPageSize = 1 << 10
	maxPageSize = 1 << 24

	noFreelist = ^uint64(0)
)

// checkStructure reads a bbolt file of size bytes and returns an error that is
// ErrCorrupt unless every page can be walked: page numbers, sizes and key
// order are right, nothing is referenced twice, and the free list agrees. It
// asks for the same as `bbolt check`, but works on bytes that were read. bbolt's
// own check follows page numbers into the memory map, in a goroutine of its
// own where a fault cannot be caught, and a page that names itself is walked
// for ever.
func checkStructure(r io.ReaderAt, size int64) error {
	c := &checker{r: r, size: size}
	if err := c.check(); err != nil {
		if _, unread := errors.AsType[*readError](err); unread {
			return err
		}
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}

// readError is a disk that does not answer, which says nothing about the file.
type readError struct{ err error }

func (e *readError) Error() string { return "read: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

type checker struct {
	r        io.ReaderAt
	size     int64
	pageSize uint64
	pages    uint64 // page numbers are below it
	used     []bool // by page number
}

type boltMeta struct {
	pageSize, root, freelist, pages, txid uint64
}

// page is a page with its overflow.
type boltPage struct {
	id    uint64
	flags uint16
	count int
	data  []byte // with the header
}

func (c *checker) check() error {
	m, err := c.meta()
	if err != nil {
		return err
	}
	c.pageSize, c.pages = m.pageSize, m.pages
	if m.pages < 2 || m.pages > uint64(c.size)/m.pageSize {
		return fmt.Errorf("%d pages do not fit into %d bytes", m.pages, c.size)
	}
	c.used = make([]bool, m.pages)
	c.used[0], c.used[1] = true, true
	for id := range uint64(2) {
		head, err := c.read(int64(id*c.pageSize), pageHeaderSize)
		if err != nil {
			return err
		}
		if u64(head) != id || u16(head[8:]) != metaPage {
			return fmt.Errorf("meta page %d calls itself %d with flags %#x", id, u64(head), u16(head[8:]))
		}
	}
	free, err := c.freelist(m.freelist)
	if err != nil {
		return err
	}
	if err := c.tree(m.root, true, nil, nil); err != nil {
		return err
	}
	return c.account(free)
}

// meta returns the newest of the two meta pages whose checksums are right, as
// bbolt chooses. The second lies at a place that depends on the page size.
func (c *checker) meta() (boltMeta, error) {
	m, err := c.metaAt(0)
	if err == nil {
		if err = m.validate(); err != nil {
			return m, err
		}
		if second, err := c.metaAt(int64(m.pageSize)); err == nil && second.txid > m.txid {
			return second, second.validate(m.pageSize)
		}
		return m, nil
	}
	for at := int64(minPageSize); at <= maxPageSize; at *= 2 {
		if second, err := c.metaAt(at); err == nil {
			return second, second.validate(uint64(at))
		}
	}
	return boltMeta{}, err
}

// validate checks the page size, which must be the given one, if any: bbolt
// believes it once the checksum is right.
func (m boltMeta) validate(want ...uint64) error {
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 ||
		len(want) > 0 && m.pageSize != want[0] {
		return fmt.Errorf("page size %d", m.pageSize)
	}
	return nil
}

func (c *checker) metaAt(at int64) (boltMeta, error) {
	buf, err := c.read(at, pageHeaderSize+metaSize)
	if err != nil {
		return boltMeta{}, err
	}
	b := buf[pageHeaderSize:]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	m := boltMeta{
		pageSize: uint64(u32(b[8:])), root: u64(b[16:]),
		freelist: u64(b[32:]), pages: u64(b[40:]), txid: u64(b[48:]),
	}
	switch {
	case u32(b) != boltMagic || u32(b[4:]) != boltVersion:
		return m, errors.New("no bbolt file")
	case u64(b[56:]) != sum.Sum64():
		return m, errors.New("checksum of the meta page is wrong")
	}
	return m, nil
}

// page reads the page id and marks it, with its overflow, as used.
func (c *checker) page(id uint64) (boltPage, error) {
	if id < 2 || id >= c.pages {
		return boltPage{}, fmt.Errorf("page %d of %d", id, c.pages)
	}
	head, err := c.read(int64(id*c.pageSize), pageHeaderSize)
	if err != nil {
		return boltPage{}, err
	}
	overflow := uint64(u32(head[12:]))
	if u64(head) != id || overflow >= c.pages-id {
		return boltPage{}, fmt.Errorf("page %d calls itself %d with overflow %d", id, u64(head), overflow)
	}
	for i := id; i <= id+overflow; i++ {
		if c.used[i] {
			return boltPage{}, fmt.Errorf("page %d is referenced twice", i)
		}
		c.used[i] = true
	}
	data, err := c.read(int64(id*c.pageSize), int((overflow+1)*c.pageSize))
	if err != nil {
		return boltPage{}, err
	}
	return boltPage{id: id, flags: u16(head[8:]), count: int(u16(head[10:])), data: data}, nil
}

// freelist returns the free pages by number, nil if the file keeps no list.
func (c *checker) freelist(id uint64) ([]bool, error) {
	if id == noFreelist {
		return nil, nil
	}
	p, err := c.page(id)
	if err != nil {
		return nil, fmt.Errorf("free list: %w", err)
	}
	if p.flags != freelistPage {
		return nil, fmt.Errorf("free list: page %d has flags %#x", id, p.flags)
	}
	ids, count := p.data[pageHeaderSize:], uint64(p.count)
	if p.count == 0xffff { // then the first number is the count
		count, ids = u64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return nil, fmt.Errorf("free list: %d pages do not fit", count)
	}
	free := make([]bool, c.pages)
	for i := range count {
		n := u64(ids[i*8:])
		if n < 2 || n >= c.pages || free[n] {
			return nil, fmt.Errorf("free list: page %d", n)
		}
		free[n] = true
	}
	return free, nil
}

// account says whether every page is either used or free.
func (c *checker) account(free []bool) error {
	for id, isFree := range free {
		if isFree == c.used[id] {
			return fmt.Errorf("page %d: free %v, used %v", id, isFree, c.used[id])
		}
	}
	return nil
}

func (c *checker) read(at int64, n int) ([]byte, error) {
	if at < 0 || at+int64(n) > c.size {
		return nil, fmt.Errorf("file of %d bytes ends before %d", c.size, at+int64(n))
	}
	buf := make([]byte, n)
	if _, err := c.r.ReadAt(buf, at); err != nil && !errors.Is(err, io.EOF) {
		return nil, &readError{err}
	} else if err != nil {
		return nil, fmt.Errorf("file ends before %d", at+int64(n))
	}
	return buf, nil
}

// bbolt writes numbers in the byte order of the machine.
func u16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

func inOrder(a, b []byte) bool { return bytes.Compare(a, b) < 0 }
