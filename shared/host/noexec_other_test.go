//go:build unix && !linux

package host

func beNoexec() {}

func beOutOfDescriptors() {}

func descriptors() string { return "" }
