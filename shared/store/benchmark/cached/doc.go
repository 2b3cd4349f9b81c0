// Package cached holds the benchmark of cached reads, against those of aws-secretsmanager-caching-go. It is a module of its
// own, so that the peer is no dependency of the product's.
package cached
