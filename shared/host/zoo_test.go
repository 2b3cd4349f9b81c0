package host

type animal struct {
	live func()
}

var zoo = map[string]animal{}
