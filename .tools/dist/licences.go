package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// licenceFile is what licences and notices are called.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|copyright)([._-].*)?$`)

// addLicences adds the licence of every module that is linked into one of the programs, and Go's own.
func (r *release) addLicences(p *packing, goos, goarch string) error {
	args := []string{"list", "-deps", "-f", `{{if .Module}}{{if not .Module.Main}}{{.Module.Path}}	{{.Module.Dir}}	{{.Dir}}{{end}}{{end}}`}
	for _, program := range programs {
		args = append(args, program.pkg)
	}
	list, err := r.goTool(goos, goarch, args...)
	if err != nil {
		return err
	}
	modules := map[string]string{} // folders by module
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 {
			continue
		}
		modules[fields[0]] = fields[1]
		// Code that a module has taken from elsewhere has its licence beside it.
		if fields[1] != fields[2] {
			below, err := filepath.Rel(fields[1], fields[2])
			if err != nil {
				return err
			}
			if _, err := addLicence(p, fields[0], fields[1], below); err != nil {
				return err
			}
		}
	}
	root, err := r.goTool(goos, goarch, "env", "GOROOT")
	if err != nil {
		return err
	}
	modules["Go"] = strings.TrimSpace(root)
	for module, dir := range modules {
		found, err := addLicence(p, module, dir, ".")
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("module %s has no licence file in %s", module, dir)
		}
	}
	return nil
}

// addLicence adds what lies in one folder of a module.
func addLicence(p *packing, module, dir, below string) (found bool, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, below))
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, below, entry.Name()))
		if err != nil {
			return false, err
		}
		p.add("licences/"+filepath.ToSlash(filepath.Join(module, below, entry.Name())), content, false)
		found = true
	}
	return found, nil
}
