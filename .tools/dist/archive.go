package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// packing is an archive that is being put together, in memory: it has a few files of a few megabytes.
type packing struct {
	root  string // the one folder at the top
	when  time.Time
	files []packed
}

type packed struct {
	name    string // with the root
	content []byte
	program bool
}

func (f packed) mode() fs.FileMode {
	if f.program {
		return 0o755
	}
	return 0o644
}

func (p *packing) add(name string, content []byte, program bool) {
	p.files = append(p.files, packed{path.Join(p.root, name), content, program})
}

// addTree adds a file, or a directory with all files in it, by its own last name to the directory under.
func (p *packing) addTree(source, name, under string) error {
	top := filepath.Join(source, filepath.FromSlash(name))
	return filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(file, ".go") {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(filepath.Dir(top), file)
		if err != nil {
			return err
		}
		p.add(path.Join(under, filepath.ToSlash(below)), content, false)
		return nil
	})
}

// pack returns the archive and its name: zip for Windows, tar.gz elsewhere.
func (p *packing) pack(goos string) (content []byte, name string, err error) {
	slices.SortFunc(p.files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	var out bytes.Buffer
	if goos == "windows" {
		err = p.zip(&out)
		return out.Bytes(), p.root + ".zip", err
	}
	err = p.tar(&out)
	return out.Bytes(), p.root + ".tar.gz", err
}

func (p *packing) tar(out io.Writer) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	for _, file := range p.files {
		header := &tar.Header{Name: file.name, Mode: int64(file.mode()), Size: int64(len(file.content)), ModTime: p.when, Format: tar.FormatPAX}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(file.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func (p *packing) zip(out io.Writer) error {
	archive := zip.NewWriter(out)
	for _, file := range p.files {
		header := &zip.FileHeader{Name: file.name, Method: zip.Deflate, Modified: p.when}
		header.SetMode(file.mode())
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(file.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// sums are what sha256sum would print of the archives and of the executables in them.
type sums []string

func (s *sums) add(name string, content []byte) {
	*s = append(*s, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name))
}

func (s *sums) write(file string) error {
	lines := slices.Clone(*s)
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[sha256.Size*2:], b[sha256.Size*2:]) })
	return os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644)
}
