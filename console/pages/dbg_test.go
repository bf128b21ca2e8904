package pages_test

import "testing"

func TestDbg(t *testing.T) {
	i := install(t, publicly{})
	i.furnish()
}
