// Package faultpoint marks the places in which the chaos suite kills a worker:
// between two steps that only together are safe. A program that is built without
// the tag "chaos" has none of it.
package faultpoint
