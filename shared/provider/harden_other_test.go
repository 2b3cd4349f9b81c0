//go:build !linux

package provider

func hardness() string { return "left to the system" }
