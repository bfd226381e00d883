package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
)

// Source is an open Badger directory.
//
//   - A directory that was closed is opened for reading only, and stays as it is, but for value logs that hold nothing: Badger
//     removes these wherever it opens them.
//   - One that was not, such as that of a killed node, Badger opens only for writing: it cuts its logs off behind the last
//     whole entry. That is done to a copy, which Close removes, unless the caller wants it done to the directory.
//   - A directory that a process has open is refused.
type Source struct {
	DB   *badger.DB
	Dir  string // as given
	copy string // what Close removes; empty: none
}

// CopySuffix is what the name of a directory's copy ends with; the copy lies beside it.
const CopySuffix = ".cairn-badger-copy"

// ownMark is a file in each directory that this package makes, without which it removes none.
const ownMark = "MADE-BY-CAIRN-BADGER"

// Memory that an open directory may use for its caches.
const (
	blockCacheBytes = 64 << 20
	indexCacheBytes = 128 << 20
)

// OpenSource opens a Badger directory. inPlace: one that was not closed is opened itself, not a copy. say is told what takes
// long.
func OpenSource(ctx context.Context, dir string, inPlace bool, say func(format string, args ...any)) (*Source, error) {
	if _, err := os.Stat(filepath.Join(dir, badger.ManifestFilename)); err != nil {
		return nil, faultf("%s is not a Badger directory: %w; ev-node's is data/<name of the application> in its home", dir, err)
	}
	source := &Source{Dir: dir}
	db, err := badger.Open(badgerOptions(dir).WithReadOnly(true))
	switch {
	case err == nil:
		source.DB = db
		return source, nil
	case strings.Contains(err.Error(), "Cannot acquire directory lock"):
		return nil, faultf("a process has %s open: stop the node first", dir)
	case !strings.Contains(err.Error(), badger.ErrTruncateNeeded.Error()) &&
		!strings.Contains(err.Error(), "error while truncation"): // of an empty log file: see openWritable
		return nil, faultf("Badger cannot open %s: %w", dir, err)
	}
	opened := dir
	if !inPlace {
		opened = strings.TrimRight(dir, "/") + CopySuffix
		source.copy = opened
		say("%s was not closed: working on a copy, %s; --in-place works without one", dir, opened)
		if err := copyDir(ctx, dir, opened); err != nil {
			return nil, errors.Join(err, removeOwn(opened))
		}
	}
	if source.DB, err = openWritable(badgerOptions(opened)); err != nil {
		return nil, errors.Join(faultf("Badger cannot open %s: %w", opened, err), removeOwn(source.copy))
	}
	return source, nil
}

// Close closes the directory, and removes the copy if there is one.
func (s *Source) Close() error {
	return errors.Join(s.DB.Close(), removeOwn(s.copy))
}

// openWritable opens a directory that may not have been closed. Badger that is killed between making a log file and giving it a size
// leaves an empty one; the next Open gives it its size and fails, and the one after that works.
func openWritable(options badger.Options) (*badger.DB, error) {
	db, err := badger.Open(options)
	if err != nil && strings.Contains(err.Error(), "Create a new file") {
		return badger.Open(options)
	}
	return db, err
}

// badgerOptions are for reading: no compaction, which would only cost, and small caches.
func badgerOptions(dir string) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(nil).
		WithMetricsEnabled(false).
		WithDetectConflicts(false).
		WithBlockCacheSize(blockCacheBytes).
		WithIndexCacheSize(indexCacheBytes).
		WithNumCompactors(0).
		WithNumLevelZeroTablesStall(1 << 20) // nothing compacts, so nothing may wait for it
}

// copyDir copies a directory's files. What an earlier run left there is removed first.
func copyDir(ctx context.Context, from, to string) error {
	// Badger's own lock, so that no node starts on what is being copied.
	lock, err := os.Open(from)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return faultf("a process has %s open: stop the node first", from)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	var bytes int64
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
	}
	if err := removeOwn(to); err != nil { // for its space
		return err
	}
	var space syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(to), &space); err == nil && int64(space.Bavail)*space.Bsize < bytes {
		return fmt.Errorf("a copy of %s takes %d MiB and there are %d: make room, or let Badger mend the directory itself with --in-place",
			from, bytes>>20, int64(space.Bavail)*space.Bsize>>20)
	}
	if err := makeOwn(to); err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || entry.Name() == "LOCK" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file, holes excepted: Badger's logs are 128 MiB and more, and mostly holes.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	const seekData, seekHole = 3, 4
	for at := int64(0); at < size; {
		data, err := in.Seek(at, seekData)
		if errors.Is(err, syscall.ENXIO) {
			break // nothing but a hole up to the end
		}
		if err != nil {
			return err
		}
		hole, err := in.Seek(data, seekHole)
		if err != nil {
			return err
		}
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := in.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, hole-data); err != nil {
			return err
		}
		at = hole
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	return out.Close()
}

// makeOwn makes a directory. What an earlier run left there is removed first.
func makeOwn(dir string) error {
	if err := removeOwn(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ownMark), nil, 0o600)
}

func isOwn(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ownMark))
	return err == nil
}

// removeOwn removes a directory that makeOwn made; another one is refused, and none is fine.
func removeOwn(dir string) error {
	if dir == "" {
		return nil
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if os.Remove(dir) == nil {
		return nil // it was empty: a run may end before its mark is there
	}
	if !isOwn(dir) {
		return targetf("%s is in the way, and was not made by this tool: move it", dir)
	}
	return os.RemoveAll(dir)
}
