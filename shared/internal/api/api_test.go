// Package api holds the exported API of the public packages to files in testdata, so that a change of it is seen in
// review. After an intended change:
//
//	go test ./shared/internal/api -update
package api

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files instead of comparing with them")

// shared is the directory whose packages are public, but for those below internal.
const shared = "../.."

func TestExportedAPI(t *testing.T) {
	packages := publicPackages(t)
	if len(packages) < 6 {
		t.Fatalf("only these packages were found: %v", packages)
	}
	var known []string
	for _, name := range packages {
		file := strings.ReplaceAll(name, "/", "_") + ".txt"
		known = append(known, file)
		got := exported(t, filepath.Join(shared, name))
		path := filepath.Join("testdata", file)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("package %s is new: %v", name, err)
			continue
		}
		if diff := difference(string(want), string(got)); diff != "" {
			t.Errorf("the API of shared/%s has changed:\n%sif that is meant: go test ./shared/internal/api -update", name, diff)
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if slices.Contains(known, file.Name()) {
			continue
		}
		if !*update {
			t.Errorf("testdata/%s is of a package that is gone", file.Name())
		} else if err := os.Remove(filepath.Join("testdata", file.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// publicPackages returns the directories of libraries below shared that every module may import.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var packages []string
	err := filepath.WalkDir(shared, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || entry.Name() == "internal" || entry.Name() == "testdata" {
			return fs.SkipDir // another module, or private
		}
		if entry.Name() == "benchmark" || entry.Name() == "simulate" {
			return fs.SkipDir // tools of the repository
		}
		parsed, err := platform().ImportDir(path, 0)
		if err != nil || parsed.IsCommand() || len(parsed.GoFiles) == 0 {
			return nil //nolint:nilerr // no library
		}
		name, err := filepath.Rel(shared, path)
		packages = append(packages, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// platform is the same on each machine, so that files of one system only don't make a difference.
func platform() *build.Context {
	context := build.Default
	context.GOOS, context.GOARCH, context.CgoEnabled = "linux", "amd64", false
	return &context
}

// exported returns the exported declarations of a package, without comments and bodies, sorted.
func exported(t *testing.T, directory string) []byte {
	t.Helper()
	parsed, err := platform().ImportDir(directory, 0)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	var declarations []string
	for _, name := range parsed.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(directory, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !ast.FileExports(file) {
			continue
		}
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil && !token.IsExported(receiver(d)) {
					continue
				}
				d.Body = nil
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
			}
			var text bytes.Buffer
			if err := format.Node(&text, files, declaration); err != nil {
				t.Fatal(err)
			}
			declarations = append(declarations, text.String())
		}
	}
	slices.Sort(declarations)
	return []byte("package " + parsed.Name + "\n\n" + strings.Join(declarations, "\n\n") + "\n")
}

// receiver returns the name of a method's type.
func receiver(method *ast.FuncDecl) string {
	of := method.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// difference lists the lines that are in one of two texts only; "" if there are none and their order is the same.
func difference(want, got string) string {
	if want == got {
		return ""
	}
	before, after := strings.Split(want, "\n"), strings.Split(got, "\n")
	var diff strings.Builder
	for _, line := range before {
		if !slices.Contains(after, line) {
			diff.WriteString("- " + line + "\n")
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			diff.WriteString("+ " + line + "\n")
		}
	}
	if diff.Len() == 0 {
		return "the order of its lines\n"
	}
	return diff.String()
}
