package glossary

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// instead has what a reader would have to translate, in lower case, and the field's words for it.
var instead = []struct {
	not []string
	but string
}{
	{[]string{"say whether", "says whether", "tell whether", "tells whether"}, "reports whether, returns"},
	{[]string{"whoever", "somebody", "nobody", "anybody"}, "the caller, the user, the operator; name the actor"},
	{[]string{"folder", "folders"}, "directory"},
	{[]string{"all the same", "meanwhile", "by itself"}, "leave it out, or say what happens"},
	{[]string{"backend is out", "backend was out", "provider is out", "redis is out", "cloud is out"}, "unavailable"},
	{[]string{"isn't reached", "can't be reached"}, "unreachable"},
	{[]string{"fewer calls"}, "throttles"},
	{[]string{"began", "begun", "begins", "beginning", "beginnings"}, "start"},
	{[]string{"of its own", "of their own"}, "its own, separate"},
}

// TestWords reads every source file and document of the repository.
func TestWords(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "bin", "dist", "node_modules", "target", "__pycache__", "glossary":
				return fs.SkipDir
			}
			return nil
		}
		switch filepath.Ext(path) {
		case ".go", ".md", ".py", ".proto", ".txtar", ".yaml", ".rs", ".sh":
		default:
			return nil
		}
		if strings.HasSuffix(path, ".pb.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		read++
		short, _ := filepath.Rel(root, path)
		lower := bytes.ToLower(text)
		for _, words := range instead {
			for _, word := range words.not {
				for _, at := range places(lower, word) {
					line, _, _ := bytes.Cut(lower[bytes.LastIndexByte(lower[:at], '\n')+1:], []byte("\n"))
					if bytes.Contains(line, []byte("glossary:")) || word == "nobody" && bytes.Contains(line, []byte("http.nobody")) {
						continue // what another system says in these words
					}
					t.Errorf("%s:%d: %q; say: %s", short, 1+bytes.Count(lower[:at], []byte("\n")), word, words.but)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if read < 100 {
		t.Errorf("only %d files were read", read)
	}
}

// places returns where a word stands in a text, and not as a part of another one.
func places(text []byte, word string) (all []int) {
	for at := 0; ; at += len(word) {
		next := bytes.Index(text[at:], []byte(word))
		if next < 0 {
			return all
		}
		at += next
		if end := at + len(word); (at == 0 || !inWord(text[at-1])) && (end == len(text) || !inWord(text[end])) {
			all = append(all, at)
		}
	}
}

func inWord(c byte) bool { return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' }
